"""The model of somebody else's loop as Explore and Map show it: written into the run again and again."""

from __future__ import annotations

import time
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from vae import runs
from vae.errors import ConfigError
from vae.exchange.own_images import OwnImages
from vae.runs.moments import ForeignMoments
from vae.runs.run_writer import RunWriter

if TYPE_CHECKING:
    from vae.datasets import Dataset

Gives = Literal["mean", "probabilities", "logits"]
SHARE = 0.05  # of the time that exporting may take; calls before their time wait for the next, or for the end


class ShownModel:
    """Writes a model as often as its time allows, and nothing where it cannot be shown."""

    def __init__(self, writer: RunWriter, images: OwnImages) -> None:
        """`images`: as the model sees them."""
        self.writer, self.images = writer, images
        self._dataset: Dataset | None = None
        self._moments: ForeignMoments | None = None
        self._warned = False
        self._next = 0.0
        self._newest: tuple[Any, ...] | None = None  # what was last given, where that is not written yet

    def update(self, encoder: Any, decoder: Any, gives: Gives | None, k: int | None, step: int, C: float) -> None:
        """Replaces the model and the pictures, unless the last time was just now. `k`: latent dimensions, None where no
        step has told them yet."""
        self._newest = (encoder, decoder, gives, k, step, C)
        if time.monotonic() >= self._next:
            self.finish()

    def finish(self) -> None:
        """Writes the model as it is now, if one was given since the last time."""
        if self.writer.path is None or self._newest is None:
            return
        newest, self._newest, first, began = self._newest, None, self._dataset is None, time.monotonic()
        try:
            self._write(*newest)
            now = time.monotonic()
            self._next = now if first else now + (now - began) * (1 / SHARE - 1)  # the first imports the exporter
        except Exception as error:  # an exporter's, of dozens of kinds; the training is not ours to end
            if not self._warned:
                self._warned = True
                with suppress(Warning):
                    warnings.warn(
                        f"run {self.writer.path.name!r}: log.model shows nothing new: {error}; your training goes on",
                        stacklevel=4,
                    )

    def _write(self, encoder: Any, decoder: Any, gives: Gives | None, k: int | None, step: int, C: float) -> None:
        from vae.exchange.foreign_model import latent_dims
        from vae.exchange.torch_export import export_encoder
        from vae.runs.foreign_run import onnx_of, save_model
        from vae.runs.preview import render

        writer, shape = self.writer, self.images.shape
        if writer.path is None or shape is None:
            raise ConfigError("give vae.log some images=, for it to know what the model takes")
        if k is None:
            encoder = onnx_of(encoder, "encoder", lambda network: export_encoder(network, shape))
            writer.settle(latent_dims(encoder, shape, writer.config.latent))
        kept = self.images.for_likelihood(writer.config.likelihood)
        mapped = (0.0, 1.0) if kept is self.images else (self.images.low, self.images.high)
        model = save_model(writer.path, encoder, decoder, gives, mapped, C, step)
        self._dataset = self._dataset or runs.load_run(writer.path).dataset()
        writer.write_preview(render(model, self._dataset, step))
        with writer.quietly():
            self._moments = self._moments or ForeignMoments(writer.path)
            self._moments.after(step, writer.status.epoch, C)

"""The model of somebody else's loop as Explore and Map show it: written into the run again and again."""

from __future__ import annotations

import dataclasses
import time
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from vae import runs
from vae.errors import ConfigError
from vae.exchange.own_images import OwnImages
from vae.exchange.run_writer import RunWriter

if TYPE_CHECKING:
    from vae.datasets import Dataset
    from vae.exchange.foreign_model import Meaning

Gives = Literal["mean", "probabilities", "logits"]
SHARE = 0.05  # of the time that exporting may take; calls before their time wait for the next, or for the end


class ShownModel:
    """What was understood of a model at the first look; nothing is written where it cannot be shown."""

    def __init__(self, writer: RunWriter, images: OwnImages) -> None:
        """`images`: as the model sees them."""
        self.writer, self.images = writer, images
        self._meaning: Meaning | None = None
        self._dataset: Dataset | None = None
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
        newest, self._newest, first, began = self._newest, None, self._meaning is None, time.monotonic()
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
        from vae.exchange.foreign_model import latent_dims, save_model
        from vae.exchange.torch_export import export_decoder, export_encoder
        from vae.exchange.wrap import understood

        path, shape, config = self.writer.path, self.images.shape, self.writer.config
        if path is None or shape is None:
            raise ConfigError("give vae.log some images=, for it to know what the model takes")
        front = encoder if isinstance(encoder, bytes) else export_encoder(encoder, shape)
        if k is None:
            k = latent_dims(front, shape, config.latent)
            self.writer.settle(k)
            config = self.writer.config
        back = decoder if isinstance(decoder, bytes) else export_decoder(decoder, k)
        if self._meaning is None:
            kept = self.images.for_likelihood(config.likelihood)
            mapped = (0.0, 1.0) if kept is self.images else (self.images.low, self.images.high)
            self._meaning = understood(front, back, shape, config, mapped, gives)[1]
        owned = self._meaning.C is not None
        self._meaning = dataclasses.replace(self._meaning, C=C if owned else None)
        model = save_model(path, front, back, self._meaning, step)
        self._dataset = self._dataset or runs.load_run(path).dataset()
        from vae.runs.preview import render

        self.writer.write_preview(render(model, self._dataset, step))

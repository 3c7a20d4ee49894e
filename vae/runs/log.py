"""Your own training loop on our pages: it writes a run, and C, learning rate, pause and stop come back to it.

    import vae
    with vae.log("my-vae", images=test_images, likelihood="bernoulli") as log:
        for x in loader:
            ...                                        # your model, optimiser, device
            loss = (log.C * cross_entropy + kl.sum(1)).mean()
            log.step(distortion=cross_entropy, rate=kl)  # (B,) and (B,) or (B, k), unreduced, nats: all it needs

Neither Streamlit nor our trainer is needed. After the first step nothing here raises, whatever happens to the folder:
one warning, then silence. No random number of yours is drawn and none of your settings is touched.
"""

from __future__ import annotations

import atexit
import functools
import os
import sys
import time
import weakref
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from vae.config import YOURS, Config, check_count, check_text
from vae.errors import ConfigError
from vae.exchange.own_images import OwnImages, as_shown
from vae.exchange.step_terms import Batch, HeldOutSums, Likelihood, Sums, batch_of, check_first, means
from vae.runs.run_writer import RunWriter
from vae.runs.shown_model import Gives, ShownModel

LIKELIHOODS = ("bernoulli", "gaussian", "continuous-bernoulli")
RECORD_EVERY = 0.5  # seconds at first
MOST_RECORDS = 300  # before they become rarer: then each covers that part of the time so far


def log(
    name: str,
    images: Any = None,
    labels: Any = None,
    likelihood: str | None = None,
    pixels: tuple[float, float] = (0.0, 1.0),
    C: float = 1.0,
    latent_dim: int | None = None,
    steps: int | None = None,
    record_every: int | None = None,
    folder: str | Path | None = None,
) -> Log:
    """Begins a run of your own training loop; use it as `with vae.log(...) as log:`, or call `log.close()` at the end.

    name: of the run; a second one of that name gets `name-2`. images: held-out ones, (N, h, w), (N, h, w, 3) or
    (N, c, h, w), with the values that your model sees, or uint8; labels: (N,). pixels: the lowest and the highest value
    that a pixel has for your model. likelihood: what your distortion is the −log of: "bernoulli", "gaussian" (of one
    variance c for all pixels, C = 1/(2c)) or "continuous-bernoulli"; left out, no number is called a likelihood's.
    C: what your loss has now, until it is turned. latent_dim: where your rate comes summed, as (B,). steps: how many
    there will be, for the time left. record_every: steps that a record averages over; left out, half a second's.
    folder: of runs; else where the application's are.

    Raises ConfigError for what cannot be. A folder that cannot be written is a warning: your training goes on.
    """
    check_text("name", name, open_choice=False)
    if likelihood is not None and likelihood not in LIKELIHOODS:
        raise ConfigError(f"likelihood: expected one of {', '.join(LIKELIHOODS)}, or None, got {likelihood!r}")
    for what, count in (("latent_dim", latent_dim), ("steps", steps), ("record_every", record_every)):
        if count is not None:
            check_count(what, count)
    if isinstance(C, str):
        raise ConfigError(
            f"C: expected the number that your loss has at the start, got {C!r}; only your loop could fit it"
        )
    own = OwnImages.of(images, labels, pixels)
    if likelihood == "gaussian" and own.shape is None:
        raise ConfigError("images: a gaussian's nats hold (D/2) log(π/C), and D is counted from images; give some")
    config = Config(
        dataset=YOURS, likelihood=likelihood, C=C, latent_dim=latent_dim or 1, network=YOURS, hidden=(), lr=None,
        record_every=record_every,
    )  # fmt: skip
    return Log(config, own, name, None if folder is None else Path(folder), latent_dim, steps)


class Log:
    """A run of your own loop: `step` after each of its steps, and what the page asks for in `C`, `lr_factor` and
    `stopped`."""

    def __init__(
        self,
        config: Config,
        images: OwnImages,
        name: str,
        folder: Path | None,
        latent_dim: int | None,
        steps: int | None,
    ) -> None:
        """Made by `log`."""
        self._images, self._latent_dim, self._every = images, latent_dim, config.record_every
        kept = images.for_likelihood(config.likelihood)
        self._likelihood = Likelihood(config.likelihood, images.D, images.high - images.low)
        self._writer = RunWriter(config, kept.described(), name, folder, steps)
        self._writer.keep_images(kept)
        self._shown = ShownModel(self._writer, images)
        self._train, self._held_out = Sums(), HeldOutSums()
        self._kinds: dict[str, tuple[bool, int | None]] = {}  # of the first batches of steps and of tests
        self._last: dict[str, Any] | None = None  # the newest means of training
        self._step = self._recorded = 0  # recorded: images
        self._single = self._recording = False  # single: the step under way was asked for on its own
        self._record_due = self._epoch = 0.0
        self._lr: float | None = None
        self._open = True
        atexit.register(self._at_exit)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=functools.partial(_leave, weakref.ref(self)))

    @property
    def path(self) -> Path | None:
        """The run's directory; None where none could be made."""
        return self._writer.path

    @property
    def C(self) -> float:
        """C as it is turned on the page: of a Gaussian 1/(2c), which weights the squared error; else the distortion's
        weight, 1/β. It changes within `step` only."""
        return self._writer.C

    @property
    def lr_factor(self) -> float:
        """What the page multiplies your learning rate by."""
        return self._writer.lr_factor

    @property
    def stopped(self) -> bool:
        """Whether somebody has pressed Stop: leave the loop then."""
        return self._writer.knobs.stop

    def step(
        self,
        *,
        distortion: Any = None,
        rate: Any,
        squared_error: Any = None,
        lr: float | None = None,
        epoch: float = 0.0,
    ) -> None:
        """Tells the terms of one training step's batch; waits inside while the page says pause.

        distortion: (B,), −log p(x|z) of each image in nats, summed over its pixels, without C unless the likelihood is
        a Gaussian; or squared_error: (B,), ‖x − f(z)‖² of each, for a Gaussian, whose nats are made of it here. rate:
        (B,), or (B, k) by latent dimension, in nats. lr, epoch: as they are now, to be shown.

        Raises ConfigError at the first step where these cannot be the terms: one number instead of B, a mean over the
        pixels, another shape. From then on it never raises.
        """
        if not self._open:
            return
        if self._step == 0:
            self._begin(distortion, rate, squared_error)
        try:
            batch = self._alike(batch_of(distortion, rate, squared_error, self._likelihood), "step")
            if self._held_out.sums.images and self._train.images:
                self._record()  # of the steps before the held-out batches
            self._step += 1
            self._lr, self._epoch = lr, epoch
            self._train.add(batch)
            if self._due(time.monotonic()):
                self._after()
        except Exception as error:  # ours, whatever it is: the training goes on
            self._writer.warn_of(error)

    def test(self, *, distortion: Any = None, rate: Any, squared_error: Any = None) -> None:
        """Tells the terms of a batch of held-out images, as `step` does of training ones. Batches that follow one
        another, until the next `step` or the end, are one measurement: their mean over images is what the page shows,
        and its standard error."""
        if not self._open:
            return
        batch = None
        if self._step == 0 and not self._held_out.sums.images:
            batch = self._checked(distortion, rate, squared_error)
        with self._writer.quietly():
            batch = batch or batch_of(distortion, rate, squared_error, self._likelihood)
            self._held_out.add(self._alike(batch, "test"))

    def model(self, encoder: Any, decoder: Any, gives: Gives | None = None) -> None:
        """Shows on Explore and Map what your model is now; again and again, as it learns.

        encoder: answers x with mean and log-variance of q(z|x); decoder: a code with an image. Torch modules, functions
        of them such as model.encode, or the bytes of ONNX files. gives: what the decoder's outputs are, "mean",
        "probabilities" or "logits"; left out, found by looking at some. Your modules and random numbers stay as they
        are. A call that comes too early waits for the next or the end: at most a twentieth of the time goes into this.
        Never raises: what cannot be shown is told once, as a warning.
        """
        if self._open:
            known = self._latent_dim if self._step == 0 else self._writer.config.latent_dim
            self._shown.update(encoder, decoder, gives, known, self._step, self.C)

    def pictures(self, originals: Any, reconstructions: Any) -> None:
        """Shows images beside what your model makes of them, both as `images` of `log` are; a few are enough."""
        if self._open:
            with self._writer.quietly():
                from vae.runs.preview import pack

                both = [as_shown(one, self._images) for one in (originals, reconstructions)]
                self._writer.write_preview(pack(self._step, *both))

    def close(self, error: BaseException | None = None) -> None:
        """Ends the run: finished; stopped where the page asked for it or Ctrl-C came; failed where `error` says why."""
        if not self._open:
            return
        self._open = False
        atexit.unregister(self._at_exit)
        self._shown.finish()
        with self._writer.quietly():
            self._record()
            self._writer.tell(self._step, self._images_seen, self._epoch, now=True)
        self._writer.end(*self._ending(error))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(error)

    # ---- the first step

    def _begin(self, distortion: Any, rate: Any, squared_error: Any) -> None:
        """What the first step alone can tell. Raises ConfigError."""
        batch = self._checked(distortion, rate, squared_error)
        k = batch.dims or self._latent_dim
        if k is None:
            raise ConfigError(
                "rate: summed, as (B,), it does not say how many latent dimensions there are; give it unreduced, as "
                "(B, k), or say vae.log(..., latent_dim=k)"
            )
        if k != self._writer.config.latent_dim:
            self._writer.settle(k)
        self._record_due = time.monotonic() + RECORD_EVERY

    def _checked(self, distortion: Any, rate: Any, squared_error: Any) -> Batch:
        batch = batch_of(distortion, rate, squared_error, self._likelihood)
        check_first(batch, self._likelihood, self.C)
        return batch

    def _alike(self, batch: Batch, of: str) -> Batch:
        """Returns the batch. Raises ConfigError where it is of another kind than the first `of` the steps or the tests,
        with which it cannot be summed, or has another number of latent dimensions than the run: it is left out."""
        kind = (batch.squared, batch.dims)
        known = self._writer.config.latent_dim if self._step else batch.dims
        if batch.dims not in (None, known) or self._kinds.setdefault(of, kind) != kind:
            raise ConfigError(
                f"{of}: a batch with a rate of shape {tuple(batch.rate.shape)} is left out: the first had another "
                "number of latent dimensions, or another kind of error beside it"
            )
        return batch

    # ---- records

    def _due(self, now: float) -> bool:
        """Whether a step has to look up from its work: KNOBS_EVERY seconds after the last time, or for a record."""
        self._recording = (
            (self._step % self._every == 0 if self._every else now >= self._record_due)
            or self._single
            or self._step == 1
            or self._held_out.sums.images > 0
        )
        return self._recording or now >= self._writer.look_at

    def _after(self) -> None:
        """What is due after a step."""
        writer, single, self._single = self._writer, self._single, False
        if single:
            writer.append({"step": self._step, "knob": "step", "value": 1})
        if self._recording:
            self._record()
        if writer.look(force=single):
            if writer.knobs.C not in (None, self.C):
                self._record()  # a record's numbers belong to one C
            writer.take(self._step)
        writer.tell(self._step, self._images_seen, self._epoch, now=self._step == 1)
        if writer.knobs.paused:
            self._record()
            self._single = writer.wait(self._step, self._images_seen, self._epoch)

    @property
    def _images_seen(self) -> int:
        return self._recorded + self._train.images

    def _record(self) -> None:
        """Writes the means since the last record, with the held-out numbers that came meanwhile."""
        train, held_out = self._train, self._held_out
        if not (train.images or held_out.sums.images):
            return
        self._record_due = time.monotonic() + max(RECORD_EVERY, self._writer.seconds / MOST_RECORDS)
        if train.images:
            self._last, self._train = means(train, self._likelihood, self.C), Sums()
            self._recorded += train.images
        test = None
        if held_out.sums.images:
            test, self._held_out = held_out.means(self._likelihood, self.C), HeldOutSums()
        self._writer.append(
            {"step": self._step, "epoch": self._epoch, "C": self.C, "lr": self._lr, "train": self._last, "test": test,
             "seconds": self._writer.seconds}
        )  # fmt: skip

    # ---- the end

    def _ending(self, error: BaseException | None) -> tuple[str, str]:
        at = f"step {self._step:,}"
        if isinstance(error, (KeyboardInterrupt, SystemExit)) or (error is None and self.stopped):
            return "stopped", f"Stopped at {at}."
        if error is None:
            return "finished", ""
        told = " ".join(str(error).split())[:500]
        return "failed", f"Your loop ended at {at} with {type(error).__name__}{': ' + told if told else ''}"

    def _at_exit(self) -> None:
        """A loop that was not closed: as its script ends."""
        self.close(getattr(sys, "last_value", None))


def _leave(log: weakref.ref[Log]) -> None:
    """In a process that a loader has forked: the run is not its own."""
    if (here := log()) is not None:
        here._open = False

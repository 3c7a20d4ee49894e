"""What `train_gpu.py` times: the models, the loops that train them, and the ceilings of the device."""

from __future__ import annotations

import dataclasses
import functools
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from vae.config import Config
from vae.datasets import DataInfo, Dataset, load_dataset
from vae.errors import DownloadError
from vae.model.networks import NETWORKS, multiply_adds
from vae.training.batched_runs import BatchedRuns
from vae.training.cuda_graphs import CudaGraphs, Graphs
from vae.training.defaults import complete
from vae.training.records import Record
from vae.training.trainer import STEPS_A_REPLAY, Trainer

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SET_UP = 6 * STEPS_A_REPLAY  # steps before the clock runs: warm-up, capture, and the first replays
ADAM_BYTES = 28  # a parameter and its two moments read and written, its gradient read
LOADER_SHARE = 8  # a DataLoader's loop takes one step for so many of ours


@dataclass(frozen=True)
class Case:
    """A model and its images; every loop trains it with Adam at 1e-3."""

    title: str
    images: str  # a registered dataset, or "ellipses"
    network: str
    hidden: tuple[int, ...]
    latent: int
    batch: int
    side: int = 28

    def config(self, dataset: Dataset, precision: str | None = None) -> Config:
        """Completed as it ships; planned long afterwards, so that records come as often as in a run by default."""
        given = Config(
            dataset=dataset.name, binarize=dataset.binarize, likelihood="bernoulli", network=self.network,
            hidden=self.hidden, latent_dim=self.latent, batch_size=self.batch, lr=1e-3, device=DEVICE, threads=1,
            precision=precision,
        )  # fmt: skip
        return dataclasses.replace(complete(given, dataset.info)[0], epochs=100)

    def dataset(self) -> Dataset:
        """Binary images: the fixed binarisation, or ellipses where the dataset cannot be had."""
        if self.images != "ellipses":
            try:
                found = load_dataset(self.images)
                return found if found.support == "binary" else found.binarized("fixed")
            except DownloadError as error:
                print(f"ellipses instead of {self.images}: {error}", flush=True)
        return ellipses(self.side, 1280 if self.side < 28 else 60_000)


def ellipses(side: int, count: int) -> Dataset:
    """Filled ellipses of random place, size and proportions; a sixth is held out."""
    generator = torch.Generator().manual_seed(0)
    at = torch.arange(side).float()
    y, x = (torch.rand(2, count, 1, 1, generator=generator) * 0.5 + 0.25) * side
    a, b = (torch.rand(2, count, 1, 1, generator=generator) * 0.2 + 0.1) * side
    parts = [((at.view(-1, 1) - y[s]) / a[s]) ** 2 + ((at - x[s]) / b[s]) ** 2 < 1 for s in _slices(count)]
    images = torch.cat(parts).to(torch.uint8).unsqueeze(1)
    held_out = count // 6
    info = DataInfo("ellipses", (1, side, side), "binary", 1, count - held_out, held_out)
    return Dataset(info, images[held_out:], images[:held_out])


def _slices(count: int) -> Iterator[slice]:
    return (slice(start, start + 4096) for start in range(0, count, 4096))


def graphs() -> Graphs:
    """CUDA's; where there is none, the tests' stand-in, so that the same lines run."""
    if DEVICE == "cuda":
        return CudaGraphs()
    from tests.vae.training.tape import Tape

    return Tape()


def trainer(config: Config, dataset: Dataset, images: Tensor, captured: bool) -> Trainer:
    """images: dataset.train on the device."""
    made = Trainer(config, dataset, images, graphs() if captured else None)
    if not captured:
        made.replays = None
    return made


def spoil(made: Trainer) -> None:
    """From now on its captures fail: a step fetches a number, which no capture allows."""
    if DEVICE != "cuda":
        from tests.vae.training.tape import FailingTape

        assert made.replays is not None
        made.replays.graphs = FailingTape()
        return
    update = made.update

    def fetching(rows: Tensor, lr: float | Tensor) -> None:
        update(rows, lr)
        if torch.cuda.is_current_stream_capturing():
            made.sums.sum().item()

    made.update = fetching  # type: ignore[method-assign]


def sync() -> None:
    if DEVICE == "cuda":
        torch.cuda.synchronize()


# ---- loops


class Loop:
    """Trains, with a config's settings. `set_up`: seconds until the clock may run."""

    config: Config
    set_up: float

    @property
    def refused(self) -> str:
        """Why steps are not captured that should be."""
        return ""

    def warm_up(self, began: float) -> None:
        self.take(SET_UP)
        sync()
        self.loss()
        self.set_up = time.perf_counter() - began

    def take(self, steps: int) -> int:
        """About so many steps; how many it were."""
        raise NotImplementedError

    def loss(self) -> float:
        """Mean training loss of the steps since it was last asked for, nats per image."""
        raise NotImplementedError


class Ours(Loop):
    """Our trainers' steps and nothing else: of one, or of several values of C as one step, the first of them 1."""

    def __init__(
        self, config: Config, dataset: Dataset, images: Tensor, captured: bool, compiled: bool = False, models: int = 0
    ) -> None:
        began = time.perf_counter()
        Cs = [10 ** (number / models) for number in range(models)] or [1.0]
        self.config = config
        self.trainers = [trainer(dataclasses.replace(config, C=C), dataset, images, captured) for C in Cs]
        self.replays = self.trainers[0].replays
        self.together = BatchedRuns(self.trainers) if models else None
        if self.together is not None:
            self.replays = self.together.replays
        if compiled:
            self.trainers[0].step_loss.compile("inductor" if DEVICE == "cuda" else "aot_eager")
        self.warm_up(began)

    def take(self, steps: int) -> int:
        for _ in range(steps // STEPS_A_REPLAY):
            for one in self.trainers:
                one.take_steps(STEPS_A_REPLAY)
            if self.together is not None:
                self.together.flush()
        return steps // STEPS_A_REPLAY * STEPS_A_REPLAY

    def loss(self) -> float:
        first, *_ = [one.record(evaluate=False) for one in self.trainers]
        assert first is not None
        return first.train.loss

    @property
    def refused(self) -> str:
        return self.replays.refused if self.replays is not None else ""

    @property
    def not_compiled(self) -> str:
        return self.trainers[0].step_loss.refused


class WithRecords(Ours):
    """The whole of a captured run but its files: records and held-out evaluations too."""

    run: Iterator[Any] | None = None
    last = float("nan")

    def take(self, steps: int) -> int:
        mine = self.trainers[0]
        self.run = self.run or mine.run()
        first = mine.step
        while mine.step < first + steps:
            event = next(self.run)
            self.last = event.train.loss if isinstance(event, Record) else self.last
        return mine.step - first

    def loss(self) -> float:
        return self.last


class OneByOne(torch.utils.data.Dataset[Tensor]):
    """Each image made anew when it is asked for, by the operations of torchvision's ToTensor."""

    def __init__(self, dataset: Dataset) -> None:
        self.pixels = dataset.train.squeeze(1) * 255

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> Tensor:
        return torch.from_numpy(self.pixels[index].numpy().copy()).unsqueeze(0).contiguous().float().div(255)


class LoaderLoop(Loop):
    """What most examples do: a DataLoader, `.to(device)`, cross-entropy of sigmoid outputs, `.item()` every step."""

    def __init__(self, case: Case, dataset: Dataset, workers: int) -> None:
        began = time.perf_counter()
        self.config = case.config(dataset, "float32")
        torch.manual_seed(0)
        network = NETWORKS[case.network]
        self.encoder = network.encoder(dataset.shape, 2 * case.latent, case.hidden, "relu").to(DEVICE)
        self.decoder = network.decoder(case.latent, dataset.shape, 1, case.hidden, "relu").to(DEVICE)
        self.optimizer = torch.optim.Adam([*self.encoder.parameters(), *self.decoder.parameters()], lr=1e-3)
        self.loader: DataLoader[Tensor] = DataLoader(
            OneByOne(dataset), case.batch, shuffle=True, drop_last=True, num_workers=workers,
            pin_memory=DEVICE == "cuda", persistent_workers=workers > 0,
        )  # fmt: skip
        self.batches = self._endless()
        self.warm_up(began)

    def _endless(self) -> Iterator[Tensor]:
        while True:
            yield from self.loader

    def take(self, steps: int) -> int:
        count, total = steps // LOADER_SHARE, 0.0
        for _ in range(count):
            x = next(self.batches).to(DEVICE)
            self.optimizer.zero_grad()
            mean, log_variance = self.encoder(x).chunk(2, 1)
            z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
            cross_entropy = F.binary_cross_entropy(torch.sigmoid(self.decoder(z)), x, reduction="sum")
            rate = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
            loss = (cross_entropy + rate) / len(x)
            loss.backward()
            total += loss.item()
            self.optimizer.step()
        self.mean = total / count
        return count

    def loss(self) -> float:
        return self.mean


def interleaved(loops: dict[str, Loop], rounds: int, steps: int) -> dict[str, list[float]]:
    """Microseconds a step of each loop in each round; rounds go A B C, then B C A."""
    names = list(loops)
    found: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            sync()
            began = time.perf_counter()
            taken = loops[name].take(steps)
            sync()
            found[name].append(1e6 * (time.perf_counter() - began) / taken)
    return found


def ratio(times: dict[str, list[float]], other: str, name: str) -> float:
    """How many times as fast as `other`: median over the rounds."""
    return statistics.median(theirs / mine for theirs, mine in zip(times[other], times[name], strict=True))


# ---- ceilings


def seconds(function: Callable[[], object], repeats: int = 5) -> float:
    """Median of one call, which is done when the device is."""
    function()
    taken = []
    for _ in range(repeats):
        sync()
        began = time.perf_counter()
        function()
        sync()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def ceilings(tiny: bool) -> dict[str, float]:
    """Operations per second of large matrix products, bytes per second of a copy, seconds of a smallest kernel."""
    n, length = (256, 2**20) if tiny else (8192, 2**30)
    found: dict[str, float] = {}
    before = torch.get_float32_matmul_precision()
    for name, dtype, allowed in (
        ("float32", torch.float32, "highest"),
        ("tf32", torch.float32, "high"),
        ("bfloat16", torch.bfloat16, "highest"),
    ):
        torch.set_float32_matmul_precision(allowed)
        a = torch.randn(n, n, device=DEVICE, dtype=dtype)
        found[name] = 2 * n**3 / seconds(functools.partial(torch.mm, a, a))
    torch.set_float32_matmul_precision(before)
    source = torch.zeros(length, dtype=torch.uint8, device=DEVICE)
    target = torch.empty_like(source)
    found["copy"] = 2 * length / seconds(lambda: target.copy_(source))
    few, chain = torch.zeros(1024, device=DEVICE), 1000

    def kernels() -> None:
        for _ in range(chain):
            few.add_(1)

    found["launched_kernel"] = seconds(kernels) / chain
    found["captured_kernel"] = seconds(graphs().capture(kernels, [])) / chain
    return found


@torch.no_grad()
def work(case: Case, shape: tuple[int, int, int]) -> tuple[float, int, int]:
    """Of a training step: arithmetic operations, parameters, numbers of activations."""
    network, x, z = NETWORKS[case.network], torch.zeros(1, *shape), torch.zeros(1, case.latent)
    encoder = network.encoder(shape, 2 * case.latent, case.hidden, "relu")
    decoder = network.decoder(case.latent, shape, 1, case.hidden, "relu")
    one = multiply_adds(encoder, x) + multiply_adds(decoder, z)
    first = multiply_adds(encoder[:2], x)  # nobody asks for the gradient in the images
    activations = 0
    for layers, row in ((encoder, x), (decoder, z)):
        for layer in layers:
            row = layer(row)
            activations += 0 if isinstance(layer, nn.Flatten | nn.Unflatten) else row.numel()
    parameters = sum(p.numel() for half in (encoder, decoder) for p in half.parameters())
    return case.batch * 2.0 * (3 * one - first), parameters, case.batch * activations


def roofline(case: Case, shape: tuple[int, int, int], precision: str, limits: dict[str, float]) -> float:
    """Seconds that a step takes at least: its arithmetic at the speed of matrix products, or its bytes (Adam, the
    batch as stored and as float32, activations and their gradients written and read once) at that of a copy."""
    operations, parameters, activations = work(case, shape)
    if case.network == "conv" and precision == "float32":
        precision = "tf32"  # as cuDNN convolves float32 if nobody forbids it
    width = 2 if precision == "bfloat16" else 4
    batch = case.batch * shape[0] * shape[1] * shape[2] * (1 + 2 * 4)
    moved = ADAM_BYTES * parameters + batch + 4 * width * activations
    return max(operations / limits[precision], moved / limits["copy"])


@torch.no_grad()
def difference(one: Iterable[Tensor], other: Iterable[Tensor]) -> float:
    """The largest ‖a − b‖ / ‖b‖ of pairs of tensors."""
    return max(float((a - b).norm() / b.norm()) for a, b in zip(one, other, strict=True))

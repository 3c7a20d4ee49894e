"""Steps captured once and replayed: on a GPU the launching of some fifty small kernels costs more than they do.

A CUDA graph repeats the kernels of a function on the very memory that they used when it was captured. So whatever may
change between two steps (the rows of the batch, C, the learning rate) must be read from tensors that stay, and
whatever Python decides (which half trains, how many steps) belongs to the key under which a graph is kept.
"""

from __future__ import annotations

import contextlib
from collections import Counter, deque
from collections.abc import Callable, Hashable, Sequence
from typing import Protocol

import torch
from torch import Generator, Tensor

WARM_UP = 3  # real steps before a capture: libraries set up their workspaces in them
IN_FLIGHT = 2  # replays that the device may lag behind, so that a knob acts soon


class Graphs(Protocol):
    """How a device captures. CUDA's is `CudaGraphs`; tests put one in its place that needs no GPU."""

    def warm(self, function: Callable[[], None]) -> None:
        """Run `function` once as a capture would run it."""

    def capture(self, function: Callable[[], None], generators: Sequence[Generator]) -> Callable[[], None]:
        """What repeats `function`, which is not run now; `generators`: those that it draws with.

        RuntimeError where that cannot be: the device goes on as before, but those generators may not be used again.
        """


class Draws(Protocol):
    """Who draws random numbers in a step: a trainer."""

    noise: Generator


def sent(values: Tensor, device: torch.device) -> Tensor:
    """Values from the host on the device, from pinned memory: from any other, the host would wait until the device
    has finished all its steps."""
    if device.type == "cuda":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)


class CudaGraphs:
    def __init__(self) -> None:
        self.stream = torch.cuda.Stream()
        self.pool = torch.cuda.graph_pool_handle()  # shared: no graph reads what another left in it

    def warm(self, function: Callable[[], None]) -> None:
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            function()
        torch.cuda.current_stream().wait_stream(self.stream)

    def capture(self, function: Callable[[], None], generators: Sequence[Generator]) -> Callable[[], None]:
        graph = torch.cuda.CUDAGraph()
        for generator in generators:
            graph.register_generator_state(generator)
        before = torch.cuda.current_stream()
        try:  # thread-local: what another thread of the process does on the device is none of the capture's business
            with torch.cuda.graph(graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"):
                function()
        except BaseException:
            self._recover(before)
            raise
        ends: deque[torch.cuda.Event] = deque()

        def replay() -> None:
            graph.replay()
            end = torch.cuda.Event(blocking=True)  # who waits for it sleeps: a spinning core is another run's
            end.record()
            ends.append(end)
            if len(ends) > IN_FLIGHT:
                ends.popleft().synchronize()

        return replay

    def _recover(self, stream: torch.cuda.Stream) -> None:
        """After a capture that failed. Its end raised too, before it put the stream back and the allocator."""
        torch.cuda.set_stream(stream)
        with contextlib.suppress(RuntimeError, AttributeError):  # where it did put it back; torch's own, unpromised
            torch._C._cuda_endAllocateToPool(torch.cuda.current_device(), self.pool)
        with contextlib.suppress(RuntimeError):  # the capture's error, told once more; one of the device's own stays
            torch.cuda.synchronize()
        torch.cuda.synchronize()


class Replays:
    """Runs functions by replaying them, one graph for each key; the first few times as they are.

    Where a function cannot be captured, it goes on as it is for good, and so do all others: a graph that was captured
    before draws with the old generators. `refused` then tells why.
    """

    def __init__(self, graphs: Graphs) -> None:
        self.graphs, self.refused = graphs, ""
        self._kept: dict[Hashable, Callable[[], None]] = {}
        self._seen: Counter[Hashable] = Counter()

    def run(self, key: Hashable, function: Callable[[], None], owners: Sequence[Draws]) -> None:
        """`owners`: whose noise the function draws; where a capture fails, each gets a new generator that goes on
        where the old one stood before."""
        if key in self._kept:
            self._kept[key]()
        elif self.refused:
            function()
        elif self._seen[key] < WARM_UP:
            self._seen[key] += 1
            self.graphs.warm(function)
        else:
            states = [owner.noise.get_state() for owner in owners]
            try:
                self._kept[key] = self.graphs.capture(function, [owner.noise for owner in owners])
            except RuntimeError as error:
                self.refused = _reason(error)
                self._kept.clear()
                for owner, state in zip(owners, states, strict=True):
                    owner.noise = Generator(owner.noise.device)
                    owner.noise.set_state(state)
            self.run(key, function, owners)


def _reason(error: BaseException) -> str:
    """What went wrong first: the end of a failed capture only tells that something did."""
    while isinstance(error.__context__, RuntimeError):
        error = error.__context__
    return (str(error) or type(error).__name__).splitlines()[0]

"""Steps captured once and replayed: on a GPU the launching of some fifty small kernels costs more than they do.

A CUDA graph repeats the kernels of a function on the very memory that they used when it was captured. So whatever may
change between two steps (the rows of the batch, C, the learning rate) must be read from tensors that stay, and
whatever Python decides (which half trains, how many steps) belongs to the key under which a graph is kept.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Hashable, Sequence
from typing import Protocol

import torch
from torch import Generator

WARM_UP = 3  # real steps before a capture: libraries set up their workspaces in them
IN_FLIGHT = 2  # replays that the device may lag behind, so that a knob acts soon


class Graphs(Protocol):
    """How a device captures. CUDA's is `CudaGraphs`; tests put one in its place that needs no GPU."""

    def warm(self, function: Callable[[], None]) -> None:
        """Run `function` once as a capture would run it."""

    def capture(self, function: Callable[[], None], generators: Sequence[Generator]) -> Callable[[], None]:
        """What repeats `function`, which is not run now; `generators`: those that it draws with."""


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
        with torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
            function()
        ends: deque[torch.cuda.Event] = deque()

        def replay() -> None:
            graph.replay()
            end = torch.cuda.Event()
            end.record()
            ends.append(end)
            if len(ends) > IN_FLIGHT:
                ends.popleft().synchronize()

        return replay


class Replays:
    """Runs functions by replaying them, one graph for each key; the first few times as they are.

    Where a function cannot be captured, it goes on as it is for good; `refused` then tells why.
    """

    def __init__(self, graphs: Graphs) -> None:
        self.graphs, self.refused = graphs, ""
        self._kept: dict[Hashable, Callable[[], None]] = {}
        self._seen: Counter[Hashable] = Counter()

    def run(self, key: Hashable, function: Callable[[], None], generators: Sequence[Generator]) -> None:
        if key in self._kept:
            self._kept[key]()
        elif self.refused:
            function()
        elif self._seen[key] < WARM_UP:
            self._seen[key] += 1
            self.graphs.warm(function)
        else:
            try:
                self._kept[key] = self.graphs.capture(function, generators)
            except RuntimeError as error:
                self.refused = str(error).splitlines()[0]
            self.run(key, function, generators)

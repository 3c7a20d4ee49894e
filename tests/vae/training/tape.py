"""A stand-in for CUDA graphs on a CPU: records each operation with the memory that it reads and writes, and repeats
just these. Whatever Python would have done in between is not done again: as in a graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, UntypedStorage
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vae.model.random_draws import Request

DRAW = Request.draw


def tensors(values: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor))


class Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, tuple[Any, ...], dict[str, Any], Any]] = []
        self.before: dict[int, tuple[UntypedStorage, UntypedStorage]] = {}  # memory from outside, as it was
        self.made: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        named = {a.name: a for a in func._schema.arguments}
        given = dict(zip(named, args, strict=False)) | kwargs
        for tensor in tensors([v for n, v in given.items() if named[n].alias_info and named[n].alias_info.is_write]):
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in self.made | self.before.keys():
                self.before[storage.data_ptr()] = storage, storage.clone()
        inputs = {t.untyped_storage().data_ptr() for t in tensors([args, kwargs])}
        out = func(*args, **kwargs)
        self.made |= {t.untyped_storage().data_ptr() for t in tensors(out)} - inputs
        self.operations.append((func, args, kwargs, out))
        return out


class Tape:
    """`vae.training.cuda_graphs.Graphs` for a CPU. `captures`: how many there were."""

    def __init__(self) -> None:
        self.captures = self.replays = 0

    def warm(self, function: Callable[[], None]) -> None:
        function()

    def capture(self, function: Callable[[], None], generators: Sequence[Generator]) -> Callable[[], None]:
        self.captures += 1
        states = [generator.get_state() for generator in generators]
        with Recorder() as recorder:
            function()
        for storage, saved in recorder.before.values():  # a capture computes nothing
            storage.copy_(saved)
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)

        @torch.no_grad()
        def replay() -> None:
            self.replays += 1
            for func, args, kwargs, old in recorder.operations:
                new = func(*args, **kwargs)
                for was, now in zip(tensors(old), tensors(new), strict=True):
                    if was.untyped_storage().data_ptr() != now.untyped_storage().data_ptr():
                        was.copy_(now)

        return replay


class FailingTape(Tape):
    """A tape whose captures fail from the one after `good` on, as CUDA's do: at the end, with what was drawn counted,
    and those generators in capture mode for ever. `Request.draw` becomes `draw` while that is to be noticed.
    """

    def __init__(self, good: int = 0) -> None:
        super().__init__()
        self.good, self.failures = good, 0
        self.stuck: set[int] = set()
        self.generators: list[Generator] = []  # they live, or another would get their number

    def capture(self, function: Callable[[], None], generators: Sequence[Generator]) -> Callable[[], None]:
        if self.captures < self.good:
            return super().capture(function, generators)
        self.failures += 1
        with Recorder() as recorder:
            function()
        for storage, saved in recorder.before.values():
            storage.copy_(saved)
        self.generators += generators
        self.stuck |= {id(generator) for generator in generators}
        try:
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nmore of it")
        except RuntimeError:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")  # noqa: B904

    def draw(self, request: Request, noise: Any) -> Tensor:
        for generator in noise if isinstance(noise, list) else [noise]:
            if id(generator) in self.stuck:
                raise RuntimeError("Offset increment outside graph capture encountered unexpectedly.")
        return DRAW(request, noise)

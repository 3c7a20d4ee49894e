"""All of an ONNX file as layers that are wired together: `Network(file, ...)`, then `.module()`.

Every array's shape is known before a number is computed: the layers are tried on torch's meta device, which takes no
memory, so that what a file asks for is bounded before it is run.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from vae.errors import ModelUnreadable
from vae.exchange.onnx_constants import BATCH, VIEWS, Unfoldable, fold, ints
from vae.exchange.onnx_file import Array, Node, OnnxFile, shown
from vae.exchange.onnx_layers import layers
from vae.exchange.onnx_operation import Op, Shape, Unreadable
from vae.exchange.onnx_simplify import RESHAPES, Step, simplify
from vae.model import graph

MOST_VALUES = 1 << 24  # of one image after any layer
MOST_PRODUCTS = 10**10  # multiply-adds for one image
MOST_FOLDED = 1 << 26  # constants made from others, all together
MOST_STEPS = 20_000


class Network:
    """The layers of a file from its one input, of this shape for one image, to its outputs."""

    def __init__(self, file: OnnxFile, name: str, given: Sequence[int]) -> None:
        self.name, self.file, self.steps = name, file, list[Step]()
        self.input = file.inputs[0].name
        self.shapes: dict[str, Shape] = {self.input: (BATCH, *given)}
        self.constants: dict[str, Array] = dict(file.arrays)
        self._folded = self._products = 0

    def read(self) -> None:
        """Turns every operation that the outputs need into layers. Raises ModelUnreadable."""
        for node in _needed(self.file):
            try:
                self._add_node(node)
            except (Unreadable, Unfoldable) as reason:
                raise ModelUnreadable(f"{self.name}: its operation {shown(node.op)} {reason}") from None

    def add(self, layer: nn.Module, fed: Sequence[str], made: str = "") -> str:
        """Adds a layer; returns the name of what it makes. Raises Unreadable where it does not fit, or costs too
        much."""
        made = made or f"step {len(self.steps)}"  # a file's names end where ours begin: a space
        if made in self.shapes or made in self.constants or len(self.steps) >= MOST_STEPS:
            raise Unreadable(f"makes {shown(made)} a second time, or there are too many; the file is damaged")
        shape = _shape_after(layer, [self.shapes[name] for name in fed])
        if shape[:1] != (BATCH,) or math.prod(shape[1:]) > MOST_VALUES:
            raise Unreadable(f"makes {math.prod(shape[1:]):,} numbers of one image, more than {MOST_VALUES:,}")
        if (weight := getattr(layer, "weight", None)) is not None:
            places = math.prod(self.shapes[fed[0]][2:] if isinstance(layer, nn.ConvTranspose2d) else shape[2:])
            self._products += weight.numel() * places
        if self._products > MOST_PRODUCTS:
            raise Unreadable(f"takes the network above {MOST_PRODUCTS:.0e} multiplications for one image")
        self.shapes[made] = shape
        self.steps.append(Step(layer, list(fed), made, self.shapes[fed[0]][1:]))
        return made

    def made(self, name: str) -> str:
        """Returns the name of an output, which the image has to decide. Raises ModelUnreadable where it does not."""
        if name not in self.shapes or name == self.input:
            raise ModelUnreadable(
                f"{self.name}: its output {shown(name)} does not depend on the image, or is not there"
            )
        return name

    def module(self, output: str) -> nn.Sequential:
        """Returns the layers up to one output as a chain where they are one, simplified; else as a chain of a Graph."""
        steps = simplify(_before(self.steps, output), output)
        places = {self.input: 0, **{step.made: i + 1 for i, step in enumerate(steps)}}
        fed = [tuple(places[name] for name in step.fed) for step in steps]
        return graph.as_chain([step.layer for step in steps], fed).eval().requires_grad_(False)

    def without_sigmoid(self, output: str) -> bool:
        """Takes out the sigmoid that an output ends with, reshapings behind it or not; returns whether there was one
        that nothing else is fed with."""
        maker = {step.made: step for step in self.steps}
        uses = Counter(name for step in self.steps for name in step.fed)
        while (step := maker.get(output)) is not None and uses[output] <= 1:
            if isinstance(step.layer, nn.Sigmoid):
                step.layer = nn.Identity()
                return True
            if not isinstance(step.layer, (nn.Identity, *RESHAPES)):
                return False
            output = step.fed[0]
        return False

    def _add_node(self, node: Node) -> None:
        known = [self.constants.get(name) if name else None for name in node.inputs]
        shapes = tuple(self.shapes.get(name) for name in node.inputs)
        for name in node.inputs:
            if name and name not in self.shapes and name not in self.constants:
                raise Unreadable(f"uses {shown(name)} before it is there: the file has a cycle, or is damaged")
        if not node.outputs:
            raise Unreadable("has no output")
        if node.op in ("Shape", "Size") and shapes and shapes[0] is not None:
            known, shapes = [np.broadcast_to(np.float32(0), shapes[0])], (None,)
        if not any(shapes):
            self._fold(node, known)
        elif node.op == "Split":
            self._split(node, shapes, known)
        else:
            self._chain(node, layers(Op(node.op, node.attributes, tuple(known), shapes)))

    def _chain(self, node: Node, found: list[nn.Module]) -> None:
        fed = [name for name in node.inputs if name in self.shapes]
        if not found:
            found = [nn.Identity()]  # `simplify` takes it out
        for layer in found[:-1]:
            fed = [self.add(layer, fed)]
        self.add(found[-1], fed, node.outputs[0])

    def _fold(self, node: Node, known: list[Array | None]) -> None:
        made = fold(node, known)
        if made is None:
            raise Unreadable("is not among the operations that are read on constants")
        if node.op not in VIEWS:
            self._folded += sum(array.size for array in made)
        if self._folded > MOST_FOLDED:
            raise Unreadable(f"takes the constants above {MOST_FOLDED:,} numbers")
        for name, array in zip(node.outputs, made, strict=False):
            if name in self.constants or name in self.shapes:
                raise Unreadable(f"makes {shown(name)} a second time; the file is damaged")
            self.constants[name] = array

    def _split(self, node: Node, shapes: tuple[Shape | None, ...], known: list[Array | None]) -> None:
        """chunk and split: as many parts as outputs, each a layer."""
        op = Op(node.op, node.attributes, tuple(known), shapes)
        if shapes[0] is None:
            raise Unreadable("has parts that depend on the image")
        axis = op.axis(node.attributes.get("axis", 0))
        size, count = op.shape[axis], len(node.outputs)
        sizes = node.attributes.get("split") or (ints(op.array(1)) if op.array(1) is not None else None)
        if sizes is None:
            each = -(-size // count)
            sizes = [min(each, size - i * each) for i in range(count)]
        if not isinstance(sizes, list) or any(type(one) is not int for one in sizes):
            raise Unreadable("has parts that are no whole numbers")
        if len(sizes) != count or sum(sizes) != size or min(sizes) <= 0:
            raise Unreadable("has parts that do not fit")
        start = 0
        for name, length in zip(node.outputs, sizes, strict=True):
            self.add(graph.Part(axis, start, start + length), [node.inputs[0]], name)
            start += length


def _needed(file: OnnxFile) -> list[Node]:
    """The operations on the way to the outputs, in the file's order."""
    wanted = {end.name for end in file.outputs}
    kept = []
    for node in reversed(file.nodes):
        if wanted & set(node.outputs):
            kept.append(node)
            wanted |= set(node.inputs)
    return kept[::-1]


def _before(steps: list[Step], output: str) -> list[Step]:
    """The steps on the way to one output, the last one making it."""
    wanted, kept = {output}, []
    for step in reversed(steps):
        if step.made in wanted:
            kept.append(step)
            wanted |= set(step.fed)
    return kept[::-1]


def _shape_after(layer: nn.Module, shapes: Sequence[Shape]) -> Shape:
    weights = {name: torch.empty_like(value, device="meta") for name, value in _tensors(layer)}
    inputs = tuple(torch.empty(shape, device="meta") for shape in shapes)
    try:
        return tuple(torch.func.functional_call(layer.eval(), weights, inputs).shape)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        sizes = ", ".join(" x ".join(map(str, shape[1:])) for shape in shapes)
        raise Unreadable(f"cannot take numbers of shape {sizes} ({str(error).splitlines()[0][:80]})") from None


def _tensors(layer: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from layer.named_parameters()
    yield from layer.named_buffers()

"""A network as one flat list of named operations: what every reader makes, and all later steps work on.

It computes what the user's own model computes in evaluation mode, it can be trained, and nothing of the
user's code runs any more. Operations with weights have the paths that their modules had in the user's model,
so that messages and reports name what the user knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

from torch import Tensor, nn

INPUT = "input"
"""Name of the normalized image."""


@dataclass(frozen=True)
class Node:
    """One operation of a graph.

    Attributes
    ----------
    name
        Unique, and the name of its output.
    module
        Path of its operation; two nodes that name the same one share its weights.
    inputs
        Names of the values that it takes, in order.
    shape
        Of its output for one image: (C, H, W), or (features,).
    place
        Path of the module of the user's model whose forward made it; empty for the model's own.
    """

    name: str
    module: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    place: str = ""


class GraphModel(nn.Module):
    """The operations of a network in an order in which they can run.

    Parameters
    ----------
    input_shape
        (C, H, W) of the normalized image, which goes by the name ``INPUT``.

    Attributes
    ----------
    nodes
        In an order in which they can run.
    outputs
        Names of the values that the network gives.
    scales
        Scale and zero point of the integers 0..255 that stand for a value, where the user's file says them.
    """

    def __init__(self, input_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.input_shape = input_shape
        self.nodes: list[Node] = []
        self.outputs: tuple[str, ...] = ()
        self.scales: dict[str, tuple[float, int]] = {}

    def operation(self, path: str) -> nn.Module:
        """The operation at a path.

        Raises
        ------
        KeyError
            There is none.
        """
        module: nn.Module | None = self
        for part in path.split("."):
            if module is None or part not in module._modules:
                raise KeyError(path)
            module = module._modules[part]
        assert module is not None
        return module

    def get_submodule(self, target: str) -> nn.Module:
        """The operation at a path of the user's model; "" is the root of all."""
        return self.operation(target) if target else self

    def place(self, path: str, operation: nn.Module) -> None:
        """Put an operation at a path, in the place of what is there; what lies below that stays."""
        *parents, name = path.split(".")
        module: nn.Module = self
        for part in parents:
            below = module._modules.get(part)
            if below is None:
                below = nn.Module()
                module._modules[part] = below
            module = below
        before = module._modules.get(name)
        if before is not None and not operation._modules:
            operation._modules.update(before._modules)
        module._modules[name] = operation

    def of(self, node: Node) -> nn.Module:
        """The operation of a node."""
        return self.operation(node.module)

    def shape(self, name: str) -> tuple[int, ...]:
        """Of one image's value: (C, H, W), or (features,)."""
        if name == INPUT:
            return self.input_shape
        return next(node.shape for node in self.nodes if node.name == name)

    def node(self, name: str) -> Node | None:
        """The node that makes a value; None for the image."""
        return next((node for node in self.nodes if node.name == name), None)

    def walk(self) -> Iterator[Node]:
        """The nodes that there are now, each as it is when its turn comes, while rewriting changes others."""
        for name in [node.name for node in self.nodes]:
            node = self.node(name)
            if node is not None:
                yield node

    def readers(self, name: str) -> list[Node]:
        """The nodes that take a value, once for each time that they do."""
        return [node for node in self.nodes for source in node.inputs if source == name]

    def sole_reader(self, name: str) -> Node | None:
        """The node that alone takes a value, once, where it is no output."""
        readers = self.readers(name)
        return readers[0] if len(readers) == 1 and name not in self.outputs else None

    def bypass(self, node: Node) -> None:
        """Take a node out; what read it reads its first input."""
        self.nodes.remove(node)
        if node.name in self.scales:
            self.scales.setdefault(node.inputs[0], self.scales.pop(node.name))
        self.redirect(node.name, node.inputs[0])

    def redirect(self, old: str, new: str, readers: Sequence[Node] | None = None) -> None:
        """Let readers of one value, all where none are given, read another; outputs too where all do."""
        if readers is None:
            self.outputs = tuple(new if name == old else name for name in self.outputs)
        for i, node in enumerate(self.nodes):
            if old in node.inputs and (readers is None or node in readers):
                inputs = tuple(new if name == old else name for name in node.inputs)
                self.nodes[i] = replace(node, inputs=inputs)

    def insert(
        self,
        before: Node,
        operation: nn.Module,
        inputs: Sequence[str],
        name: str,
        shape: Sequence[int] | None = None,
    ) -> Node:
        """Put a new operation in front of a node; where no shape is given, of that of its first input."""
        taken = {node.name for node in self.nodes}
        unique = next(n for k in count(1) if (n := name if k == 1 else f"{name}@{k}") not in taken)
        path = beside(unique)
        self.place(path, operation)
        shape = self.shape(inputs[0]) if shape is None else tuple(shape)
        node = Node(unique, path, tuple(inputs), shape, before.place)
        self.nodes.insert(self.nodes.index(before), node)
        return node

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Normalized images [N, C, H, W] -> the outputs, a tuple where there are several."""
        last_use = {name: i for i, node in enumerate(self.nodes) for name in node.inputs}
        values = {INPUT: x}
        for i, node in enumerate(self.nodes):
            values[node.name] = self.of(node)(*(values[name] for name in node.inputs))
            for name in set(node.inputs):
                if last_use[name] == i and name not in self.outputs:
                    del values[name]
        results = tuple(values[name] for name in self.outputs)
        return results[0] if len(results) == 1 else results

    def drop_unused(self) -> None:
        """Forget the nodes that no output needs."""
        wanted = set(self.outputs)
        for node in reversed(self.nodes):
            if node.name in wanted:
                wanted.update(node.inputs)
        self.nodes = [node for node in self.nodes if node.name in wanted]

    def extra_repr(self) -> str:
        """What ``print(model)`` shows."""
        return f"{INPUT}={list(self.input_shape)}, outputs={list(self.outputs)}"


def beside(name: str) -> str:
    """A path for an operation that the user's model has no module for, not below any that it has."""
    return name.replace(".", "/")

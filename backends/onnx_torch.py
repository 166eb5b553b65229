"""ONNX graphs as torch modules, operator by operator, so that gradients flow where ONNX Runtime gives none.

Whatever is not in the table of `onnx_operators` is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import onnx
import torch
from onnx import ModelProto, NodeProto
from torch import Tensor, nn

from .onnx_operators import OPERATORS, NotConvertible, Step, tensor_of

OLDEST_OPSET = 11
OWN_DOMAINS = ("", "ai.onnx")


class TorchGraph(nn.Module):
    """The copy of a graph, a submodule for each operator that does not fold into a constant.

    Args:
        model: the graph with its weights.
        inputs: names of its inputs, in the order in which the module is called with them.
        output: name of the output that is wanted; what only others need is left out.

    Raises:
        NotConvertible: an operator has no counterpart here.
    """

    def __init__(self, model: ModelProto, inputs: Sequence[str], output: str) -> None:
        super().__init__()
        nodes = _needed(model.graph.node, output)
        opset = _opset(model, nodes)
        weights = {proto.name: tensor_of(proto) for proto in model.graph.initializer}
        kept, constants = _folded((Step(node, opset) for node in nodes), weights)
        self.inputs, self.output = tuple(inputs), output
        self.steps = nn.ModuleList(kept)
        self.buffer_of: dict[str, str] = {}
        for name in dict.fromkeys(name for step in kept for name in step.inputs if name in constants):
            self.buffer_of[name] = f"constant_{len(self.buffer_of)}"
            self.register_buffer(self.buffer_of[name], constants[name], persistent=False)
        self.done_after: dict[Step, list[str]] = {step: [] for step in kept}
        for name, user in {name: step for step in kept for name in step.inputs if name != output}.items():
            self.done_after[user].append(name)

    def forward(self, *inputs: Tensor) -> Tensor:
        """The output; pictures of a batch run one after another, since most graphs are fixed to one."""
        return torch.cat([self._one(*(x[i : i + 1] for x in inputs)) for i in range(len(inputs[0]))])

    def _one(self, *inputs: Tensor) -> Tensor:
        values: dict[str, Tensor | None] = {"": None, **dict(zip(self.inputs, inputs, strict=True))}
        values.update((name, self.get_buffer(buffer)) for name, buffer in self.buffer_of.items())
        for step, done in self.done_after.items():
            found = step(*(values[name] for name in step.inputs))
            values.update(zip(step.outputs, found if isinstance(found, tuple) else (found,), strict=False))
            for name in done:  # without gradients nothing else holds the features of earlier layers
                values[name] = None
        output = values[self.output]
        assert output is not None
        return output


def converted(path: Path, inputs: Sequence[str], output: str) -> TorchGraph:
    """The graph of a file as a torch module.

    Raises:
        NotConvertible: an operator has no counterpart here.
    """
    return TorchGraph(onnx.load(path), inputs, output)


def _needed(nodes: Iterable[NodeProto], output: str) -> list[NodeProto]:
    wanted, kept = {output}, []
    for node in reversed(list(nodes)):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(name for name in node.input if name)
    return kept[::-1]


def _opset(model: ModelProto, nodes: Iterable[NodeProto]) -> int:
    """The version of the operators' meaning, once it is clear that all of them are known."""
    own = {node.op_type for node in nodes if node.domain in OWN_DOMAINS}
    foreign = {f"{node.domain}.{node.op_type}" for node in nodes if node.domain not in OWN_DOMAINS}
    if unknown := sorted(own - OPERATORS.keys() | foreign):
        raise NotConvertible(f"its graph uses {', '.join(unknown)}, which has no counterpart here")
    opset = next((entry.version for entry in model.opset_import if entry.domain in OWN_DOMAINS), 1)
    if opset < OLDEST_OPSET:
        raise NotConvertible(f"its graph is of opset {opset}, and those before {OLDEST_OPSET} are not known here")
    return opset


@torch.no_grad()
def _folded(steps: Iterable[Step], constants: dict[str, Tensor]) -> tuple[list[Step], dict[str, Tensor]]:
    """The steps that depend on the inputs, and all constants, those included that the other steps give."""
    kept = []
    for step in steps:
        if all(name in constants for name in step.inputs if name):
            found = step(*(constants.get(name) for name in step.inputs))
            constants.update(zip(step.outputs, found if isinstance(found, tuple) else (found,), strict=False))
        else:
            kept.append(step)
    return kept, constants

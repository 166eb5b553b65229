"""ONNX operators in torch: each does what the ONNX operator specification says.

The table holds the operators of convolutional inpainting networks as torch's exporters write them, with Fourier
transforms as such or as matrix products.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np
import torch
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

Values = Tensor | tuple[Tensor, ...]


class NotConvertible(ValueError):
    """Why a graph has no copy in torch, as a clause: "its graph uses ..."."""


class Step(nn.Module):
    """One node of a graph; called with its inputs, None for those left out.

    Attributes:
        inputs: names of the values that it takes; "" = left out.
        outputs: names of the values that it gives.
        attributes: as the graph has them, text and tensors decoded.
        opset: version of the operators' meaning.
    """

    def __init__(self, node: NodeProto, opset: int) -> None:
        super().__init__()
        self.operator, self.opset = node.op_type, opset
        self.inputs, self.outputs = tuple(node.input), tuple(node.output)
        self.attributes = {attribute.name: _decoded(attribute) for attribute in node.attribute}

    def forward(self, *inputs: Tensor | None) -> Values:
        """What the operator gives; shapes, which are made on the CPU, follow the other inputs to their device."""
        place = next((x.device for x in inputs if x is not None and x.device.type != "cpu"), None)
        if place is not None:
            inputs = tuple(x if x is None else x.to(place) for x in inputs)
        return OPERATORS[self.operator](self, *inputs)

    def get(self, name: str, default: Any) -> Any:
        """An attribute."""
        return self.attributes.get(name, default)

    def numbers(self, name: str, given: Tensor | None = None) -> list[int] | None:
        """Numbers that are an attribute in older opsets and an input in newer ones."""
        return self.attributes.get(name) if given is None else given.tolist()

    def only(self, name: str, *values: Any) -> None:
        """Refuse an attribute that is none of `values`, of which the first is its default."""
        if (found := self.get(name, values[0])) not in values:
            raise NotConvertible(f"its graph uses {self.operator} with {name} = {found}, which has no counterpart here")

    def no_rounding(self, x: Tensor) -> None:
        """Refuse to round what comes from the picture: that is flat nearly everywhere, its gradient says nothing."""
        if x.requires_grad:
            raise NotConvertible(f"its operator {self.operator} rounds values of the picture, which has no gradient")


def _decoded(attribute: AttributeProto) -> Any:
    value = helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, TensorProto):
        return tensor_of(value)
    return value


def tensor_of(proto: TensorProto) -> Tensor:
    """A tensor of a graph."""
    return torch.from_numpy(np.array(numpy_helper.to_array(proto)))


def _plain(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """An operator without attributes."""
    return lambda _step, *inputs: function(*inputs)


def _div(_step: Step, x: Tensor, y: Tensor) -> Tensor:
    return torch.div(x, y, rounding_mode=None if x.is_floating_point() else "trunc")


def _rounded(function: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    def operator(step: Step, x: Tensor) -> Tensor:
        step.no_rounding(x)
        return function(x)

    return operator


def _cast(step: Step, x: Tensor) -> Tensor:
    dtype = torch.from_numpy(np.zeros(0, helper.tensor_dtype_to_np_dtype(step.attributes["to"]))).dtype
    if not dtype.is_floating_point and dtype != torch.bool:
        step.no_rounding(x)
    return x.to(dtype)


def _clip(_step: Step, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    bounds = [None if bound is None else bound.item() for bound in (low, high)]
    return x if bounds == [None, None] else x.clamp(*bounds)


def _softmax(step: Step, x: Tensor) -> Tensor:
    if step.opset >= 13:
        return x.softmax(step.get("axis", -1))
    return x.flatten(step.get("axis", 1) % x.ndim).softmax(-1).view_as(x)  # older opsets: over all axes from there on


def _reduced(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def operator(step: Step, x: Tensor, axes: Tensor | None = None) -> Tensor:
        chosen = step.numbers("axes", axes)
        if not chosen and step.get("noop_with_empty_axes", 0):
            return x
        return function(x, chosen or list(range(x.ndim)), bool(step.get("keepdims", 1)))

    return operator


def _padding(pads: Sequence[int]) -> list[int]:
    """ONNX's (begin of each axis, end of each axis) in torch's order, last axis first."""
    half = len(pads) // 2
    return [pad for axis in reversed(range(half)) for pad in (pads[axis], pads[axis + half])]


def _conv(step: Step, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    step.only("auto_pad", "NOTSET", "VALID")
    rank = x.ndim - 2
    one, pads = [1] * rank, step.get("pads", [0] * 2 * rank)
    strides, dilations, groups = step.get("strides", one), step.get("dilations", one), step.get("group", 1)
    if step.operator == "ConvTranspose":
        step.only("output_shape", None)
        extra = step.get("output_padding", [0] * rank)
        x = torch.convolution(x, weight, bias, strides, [0] * rank, dilations, True, extra, groups)
        return F.pad(x, [-pad for pad in _padding(pads)])
    if pads[:rank] != pads[rank:]:
        x, pads = F.pad(x, _padding(pads)), [0] * rank
    return torch.convolution(x, weight, bias, strides, pads[:rank], dilations, False, [0] * rank, groups)


def _max_pool(step: Step, x: Tensor) -> Tensor:
    step.only("auto_pad", "NOTSET", "VALID")
    step.only("ceil_mode", 0)
    kernel = step.attributes["kernel_shape"]
    pool = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[len(kernel) - 1]
    one = [1] * len(kernel)
    x = F.pad(x, _padding(step.get("pads", 2 * [0] * len(kernel))), value=-torch.inf)
    return pool(x, kernel, step.get("strides", one), 0, step.get("dilations", one))


def _average_pool(step: Step, x: Tensor) -> Tensor:
    step.only("auto_pad", "NOTSET", "VALID")
    step.only("ceil_mode", 0)
    step.only("dilations", None, [1, 1])
    kernel = step.attributes["kernel_shape"]
    pool = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[len(kernel) - 1]
    strides, pads = step.get("strides", [1] * len(kernel)), _padding(step.get("pads", [0, 0] * len(kernel)))
    mean = pool(F.pad(x, pads), kernel, strides)
    if step.get("count_include_pad", 0) or not any(pads):
        return mean
    return mean / pool(F.pad(torch.ones_like(x), pads), kernel, strides)


def _batch_norm(step: Step, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    step.only("training_mode", 0)
    return F.batch_norm(x, mean, var, weight, bias, eps=step.get("epsilon", 1e-5))


def _instance_norm(step: Step, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.instance_norm(x, weight=weight, bias=bias, eps=step.get("epsilon", 1e-5))


def _layer_norm(step: Step, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return F.layer_norm(x, x.shape[step.get("axis", -1) :], weight, bias, step.get("epsilon", 1e-5))


def _gemm(step: Step, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    product = (a.T if step.get("transA", 0) else a) @ (b.T if step.get("transB", 0) else b) * step.get("alpha", 1.0)
    return product if c is None else product + c * step.get("beta", 1.0)


def _dft(step: Step, x: Tensor, length: Tensor | None = None, axis: Tensor | None = None) -> Tensor:
    """Complex numbers are pairs in a last axis, real ones are alone in it; `onesided` leaves out the mirrored half."""
    usual = 1 if step.opset < 20 else -2
    along = int(step.get("axis", usual) if axis is None else axis) % x.ndim
    half, inverse = step.get("onesided", 0), step.get("inverse", 0)
    size = x.shape[along] if not (half and inverse) else 2 * (x.shape[along] - 1)
    size = size if length is None else int(length)
    values = x[..., 0] if x.shape[-1] == 1 else torch.view_as_complex(x.contiguous())
    if half and inverse:
        return torch.fft.irfft(values, size, along)[..., None]
    if half:
        return torch.view_as_real(torch.fft.rfft(values, size, along))
    return torch.view_as_real((torch.fft.ifft if inverse else torch.fft.fft)(values, size, along))


def _pad(step: Step, x: Tensor, pads: Tensor, value: Tensor | None = None, axes: Tensor | None = None) -> Tensor:
    step.only("mode", "constant", "reflect", "edge")
    given = pads.tolist()
    chosen = list(range(x.ndim)) if axes is None else [axis % x.ndim for axis in axes.tolist()]
    ends = dict(zip(chosen, zip(given[: len(chosen)], given[len(chosen) :], strict=True), strict=True))
    mode = step.get("mode", "constant")
    if mode == "constant":
        flat = [pad for axis in reversed(range(x.ndim)) for pad in ends.get(axis, (0, 0))]
        return F.pad(x, flat, value=0.0 if value is None else value.item())
    for axis, (before, after) in ends.items():
        if before or after:
            last = x.shape[axis] - 1
            index = torch.arange(-before, last + 1 + after, device=x.device)
            x = x.index_select(axis, index.clamp(0, last) if mode == "edge" else last - (last - index.abs()).abs())
    return x


def _resize(step: Step, x: Tensor, *given: Tensor | None) -> Tensor:
    """`given`: region of interest, scales, sizes."""
    step.only("antialias", 0)
    step.only("keep_aspect_ratio_policy", "stretch")
    _, scales, sizes = (*given, None, None, None)[:3]
    axes = step.get("axes", range(x.ndim))
    if sizes is not None and sizes.numel():
        targets = [(size, size / x.shape[axis]) for axis, size in zip(axes, sizes.tolist(), strict=True)]
    else:
        factors = [] if scales is None else scales.tolist()
        targets = [(int(x.shape[axis] * factor), factor) for axis, factor in zip(axes, factors, strict=True)]
    for axis, (size, factor) in zip(axes, targets, strict=True):
        if factor != 1:
            index, weights = _taps(step, x.shape[axis], size, factor)
            shape = [-1 if k == axis % x.ndim else 1 for k in range(x.ndim)]
            taps = zip(index.to(x.device), weights.to(x), strict=True)
            x = torch.stack([x.index_select(axis, i) * w.view(shape) for i, w in taps]).sum(0)
    return x


def _taps(step: Step, length: int, size: int, scale: float) -> tuple[Tensor, Tensor]:
    """Which of `length` values make each of `size` values along an axis, and their weights, both `[taps, size]`."""
    ways = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")
    step.only("coordinate_transformation_mode", *ways)
    step.only("mode", "nearest", "linear")
    way, mode = step.get("coordinate_transformation_mode", ways[0]), step.get("mode", "nearest")
    place = torch.arange(size, dtype=torch.float32)
    if way == "align_corners":
        place = place * ((length - 1) / max(1, size - 1))
    elif way == "asymmetric":
        place = place / scale
    elif way == "half_pixel" or size > 1:
        place = (place + 0.5) / scale - 0.5
    if mode == "nearest":
        kind = step.get("nearest_mode", "round_prefer_floor")
        nearest = {
            "round_prefer_floor": (place - 0.5).ceil(),
            "round_prefer_ceil": (place + 0.5).floor(),
            "floor": place.floor(),
            "ceil": place.ceil(),
        }
        return nearest[kind].long().clamp(0, length - 1)[None], torch.ones(1, size)
    first, part = place.floor().long(), place - place.floor()
    return torch.stack([first, first + 1]).clamp(0, length - 1), torch.stack([1 - part, part])


def _slice(_step: Step, x: Tensor, starts: Tensor, ends: Tensor, *given: Tensor | None) -> Tensor:
    """`given`: axes, steps."""
    axes, strides = (None if some is None else some.tolist() for some in (*given, None, None)[:2])
    count = len(starts)
    cuts = zip(starts.tolist(), ends.tolist(), axes or range(count), strides or [1] * count, strict=True)
    for start, end, axis, stride in cuts:
        chosen = range(x.shape[axis])[start:end:stride]
        if chosen.step == 1:
            x = x.narrow(axis, chosen.start, len(chosen))
        else:
            x = x.index_select(axis, torch.tensor(list(chosen), dtype=torch.long, device=x.device))
    return x


def _gather(step: Step, x: Tensor, index: Tensor) -> Tensor:
    axis = step.get("axis", 0) % x.ndim
    found = x.index_select(axis, index.flatten() % x.shape[axis])
    return found.reshape((*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]))


def _reshape(step: Step, x: Tensor, shape: Tensor) -> Tensor:
    keep = not step.get("allowzero", 0)
    return x.reshape([x.shape[i] if keep and size == 0 else size for i, size in enumerate(shape.tolist())])


def _squeeze(step: Step, x: Tensor, axes: Tensor | None = None) -> Tensor:
    chosen = step.numbers("axes", axes)
    return x.squeeze() if chosen is None else x.squeeze(tuple(chosen))


def _unsqueeze(step: Step, x: Tensor, axes: Tensor | None = None) -> Tensor:
    chosen = step.numbers("axes", axes) or []
    rank = x.ndim + len(chosen)
    return reduce(Tensor.unsqueeze, sorted(axis % rank for axis in chosen), x)


def _split(step: Step, x: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
    axis, parts = step.get("axis", 0), len(step.outputs)
    return x.split(step.numbers("split", sizes) or -(-x.shape[axis] // parts), axis)


def _depth_to_space(step: Step, x: Tensor) -> Tensor:
    side = step.attributes["blocksize"]
    if step.get("mode", "DCR") == "DCR":
        x = x.unflatten(1, (side * side, -1)).transpose(1, 2).flatten(1, 2)
    return F.pixel_shuffle(x, side)


def _constant(step: Step) -> Tensor:
    (value,) = step.attributes.values()
    return value if isinstance(value, Tensor) else torch.tensor(value)


def _constant_of_shape(step: Step, shape: Tensor) -> Tensor:
    value = step.get("value", torch.zeros(1))
    return torch.full(shape.tolist(), value.item(), dtype=value.dtype, device=shape.device)


def _range(_step: Step, start: Tensor, end: Tensor, delta: Tensor) -> Tensor:
    return torch.arange(start.item(), end.item(), delta.item(), dtype=start.dtype, device=start.device)


def _shape(step: Step, x: Tensor) -> Tensor:
    return torch.tensor(x.shape[step.get("start", 0) : step.get("end", None)], dtype=torch.long)


OPERATORS: dict[str, Callable[..., Values]] = {
    **{name: _plain(getattr(torch, name.lower())) for name in ("Abs", "Cos", "Erf", "Exp", "Log", "Neg", "Pow")},
    **{name: _plain(getattr(torch, name.lower())) for name in ("Reciprocal", "Relu", "Sigmoid", "Sin", "Sqrt", "Tanh")},
    **{name: _plain(getattr(torch, name.lower())) for name in ("Add", "Sub", "Mul", "MatMul", "Where")},
    **{name: _rounded(getattr(torch, name.lower())) for name in ("Ceil", "Floor", "Round", "Sign")},
    "And": _plain(torch.logical_and),
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": lambda step, *inputs: torch.cat(inputs, step.attributes["axis"]),
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Conv": _conv,
    "ConvTranspose": _conv,
    "DFT": _dft,
    "DepthToSpace": _depth_to_space,
    "Div": _div,
    "Einsum": lambda step, *inputs: torch.einsum(step.attributes["equation"], *inputs),
    "Elu": lambda step, x: F.elu(x, step.get("alpha", 1.0)),
    "Equal": _plain(torch.eq),
    "Expand": lambda _, x, shape: x.expand(torch.broadcast_shapes(x.shape, shape.tolist())),
    "Flatten": lambda step, x: x.reshape(int(np.prod(x.shape[: step.get("axis", 1)])), -1),
    "Gather": _gather,
    "Gelu": lambda step, x: F.gelu(x, approximate=step.get("approximate", "none")),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda _, x: x.mean(list(range(2, x.ndim)), keepdim=True),
    "Greater": _plain(torch.gt),
    "GreaterOrEqual": _plain(torch.ge),
    "HardSigmoid": lambda step, x: (x * step.get("alpha", 0.2) + step.get("beta", 0.5)).clamp(0, 1),
    "HardSwish": _plain(F.hardswish),
    "Identity": lambda _, x: x,
    "InstanceNormalization": _instance_norm,
    "LayerNormalization": _layer_norm,
    "LeakyRelu": lambda step, x: F.leaky_relu(x, step.get("alpha", 0.01)),
    "Less": _plain(torch.lt),
    "LessOrEqual": _plain(torch.le),
    "Max": lambda _, *inputs: reduce(torch.maximum, inputs),
    "MaxPool": _max_pool,
    "Min": lambda _, *inputs: reduce(torch.minimum, inputs),
    "Not": _plain(torch.logical_not),
    "Or": _plain(torch.logical_or),
    "PRelu": lambda _, x, slope: torch.where(x > 0, x, x * slope),
    "Pad": _pad,
    "Range": _range,
    "ReduceL2": _reduced(lambda x, axes, keep: torch.linalg.vector_norm(x, 2, axes, keep)),
    "ReduceMax": _reduced(torch.amax),
    "ReduceMean": _reduced(torch.mean),
    "ReduceMin": _reduced(torch.amin),
    "ReduceSum": _reduced(torch.sum),
    "Reshape": _reshape,
    "Resize": _resize,
    "Shape": _shape,
    "Slice": _slice,
    "Softmax": _softmax,
    "Softplus": _plain(F.softplus),
    "Split": _split,
    "Squeeze": _squeeze,
    "Sum": lambda _, *inputs: reduce(torch.add, inputs),
    "Tile": lambda _, x, repeats: x.repeat(repeats.tolist()),
    "Transpose": lambda step, x: x.permute(step.get("perm", list(range(x.ndim))[::-1])),
    "Unsqueeze": _unsqueeze,
}

"""Losses of a fill by name, each with a weight: what the section `[losses]` of a configuration says."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from ...imaging.errors import InputError, MissingError
from ..config import VggSettings
from . import pixel, variation, vgg


@dataclass
class Fill:
    """A fill and what it should have been.

    Attributes:
        output: what the generator gave, `[N, 3, H, W]`, about [0, 1].
        image: the true picture, `[N, 3, H, W]` in [0, 1].
        hole: `[N, 1, H, W]`, 1 = hole.
        terms: what measures it, for the features.
    """

    output: Tensor
    image: Tensor
    hole: Tensor
    terms: Terms | None = None

    @cached_property
    def composite(self) -> Tensor:
        """The picture with its hole filled."""
        return self.image * (1 - self.hole) + self.output * self.hole

    @cached_property
    def of_output(self) -> vgg.Features:
        """Features of the output."""
        return self._features(self.output)

    @cached_property
    def of_composite(self) -> vgg.Features:
        """Features of the composite."""
        return self._features(self.composite)

    @cached_property
    def of_image(self) -> vgg.Features:
        """Features of the true picture; no gradient."""
        with torch.no_grad():
            return self._features(self.image)

    def _features(self, image: Tensor) -> vgg.Features:
        assert self.terms is not None and self.terms.vgg is not None
        return self.terms.vgg(image)

    def lpips(self) -> Tensor:
        """LPIPS of the composite, `[N]`."""
        assert self.terms is not None and self.terms.heads is not None
        return self.terms.heads(self.of_composite, self.of_image)


@dataclass(frozen=True)
class Term:
    """A loss of a fill.

    Attributes:
        loss: from the fill to a scalar.
        layers: of VGG16 that it needs.
        heads: whether it needs the heads of LPIPS.
    """

    loss: Callable[[Fill], Tensor]
    layers: Sequence[str] = ()
    heads: bool = False


TERMS: dict[str, Term] = {
    "l1": Term(lambda fill: pixel.l1(fill.output, fill.image)),
    "l2": Term(lambda fill: pixel.l2(fill.output, fill.image)),
    "l1_hole": Term(lambda fill: pixel.masked_l1(fill.output, fill.image, fill.hole)),
    "l1_valid": Term(lambda fill: pixel.masked_l1(fill.output, fill.image, 1 - fill.hole)),
    "l2_hole": Term(lambda fill: pixel.masked_l2(fill.output, fill.image, fill.hole)),
    "l2_valid": Term(lambda fill: pixel.masked_l2(fill.output, fill.image, 1 - fill.hole)),
    "partial_hole": Term(lambda fill: pixel.partial_l1(fill.output, fill.image, fill.hole)),
    "partial_valid": Term(lambda fill: pixel.partial_l1(fill.output, fill.image, 1 - fill.hole)),
    "discounted_l1": Term(lambda fill: pixel.discounted_l1(fill.output, fill.image, fill.hole)),
    "total_variation": Term(lambda fill: variation.total_variation(fill.composite)),
    "hole_variation": Term(lambda fill: variation.hole_variation(fill.composite, fill.hole)),
    "perceptual": Term(
        lambda fill: vgg.perceptual(fill.of_output, fill.of_image) + vgg.perceptual(fill.of_composite, fill.of_image),
        vgg.POOLS,
    ),
    "style": Term(
        lambda fill: vgg.style(fill.of_output, fill.of_image) + vgg.style(fill.of_composite, fill.of_image),
        vgg.POOLS,
    ),
    "lpips": Term(lambda fill: fill.lpips().mean(), heads=True),
    "lpips_hole": Term(lambda fill: (fill.lpips() / fill.hole.mean((1, 2, 3)).clamp_min(1e-3)).mean(), heads=True),
}
"""All losses of a fill by name; another one is a function and an entry here."""


class Terms(nn.Module):
    """The weighted losses of a configuration; VGG16 is loaded where one of them needs it, and runs once for all.

    Args:
        weights: of each loss by name; those of 0 are not computed.
        settings: of VGG16.

    Raises:
        InputError: there is no loss of that name.
        MissingError: a loss needs the weights of VGG16 and none are named.
        WeightsError: the weights are not those of VGG16.
    """

    def __init__(self, weights: Mapping[str, float], settings: VggSettings) -> None:
        super().__init__()
        check_names(weights)
        self.weights = {name: weight for name, weight in weights.items() if weight}
        terms = [TERMS[name] for name in self.weights]
        heads = any(term.heads for term in terms)
        layers = {layer for term in terms for layer in term.layers}
        layers |= set(vgg.LPIPS_LAYERS[: settings.levels] if heads else ())
        if layers and settings.weights is None:
            needy = next(name for name in self.weights if TERMS[name].layers or TERMS[name].heads)
            raise MissingError(
                f"[losses] {needy} needs the weights of VGG16: set [vgg] weights to a file with torchvision's "
                "convolutions, or leave this loss away."
            )
        file = settings.weights
        self.vgg = vgg.Vgg16(file, sorted(layers)) if layers and file else None
        self.heads = vgg.LpipsHeads(file, settings.levels) if heads and file else None

    def forward(self, output: Tensor, image: Tensor, hole: Tensor) -> dict[str, Tensor]:
        """Each loss, not yet weighted, by name."""
        fill = Fill(output, image, hole, self)
        return {name: TERMS[name].loss(fill) for name in self.weights}

    def total(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of what `forward` gave."""
        return torch.stack([self.weights[name] * loss for name, loss in losses.items()]).sum()


def check_names(names: Sequence[str] | Mapping[str, float], others: Sequence[str] = ()) -> None:
    """Raise `InputError` for a loss that is neither known here nor one of the `others` that a recipe adds."""
    known = [*TERMS, *others]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1, 0.5)
            hint = f"did you mean '{near[0]}'?" if near else f"take some of {', '.join(known)}."
            raise InputError(f"[losses] has no loss '{name}': {hint}")

"""Context Encoder: the first network trained to fill holes, and the discriminator it was trained against.

Pathak et al. 2016, "Context Encoders: Feature Learning by Inpainting" (CVPR). An encoder squeezes a picture whose
centre is hidden into one vector, and a decoder makes the centre from it (the variant of section 5.1 for semantic
inpainting). It was trained for the masked reconstruction loss (eq. 1) and the adversarial loss (eq. 2), joined by
eq. 3.

The hole is part of the network: it always lies at the same place of a picture of one size, and no mask is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

SIDE = 128
"""Height and width of the input, px."""
CENTRE = slice(32, 96)
"""Rows and columns of the input that the output is of."""
HIDDEN = slice(36, 92)
"""Rows and columns of the input that are hidden; a ring of 4 px of the output overlaps what is known."""
MEAN_COLOUR = (117 / 255, 104 / 255, 123 / 255)
"""What hidden pixels show, red, green and blue in [0, 1]. It is ImageNet's mean colour (123, 117, 104) in an odd
order, but the published weights saw it so."""
SLOPE = 0.2
"""Of the leaky rectifiers."""


def _norm(channels: int, activation: nn.Module) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels), activation]


def _down(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False)


def _up(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False)


class ContextEncoder(nn.Module):
    """The generator.

    Args:
        encoder: channels of the first layer of the encoder; later layers have up to eight times as many.
        bottleneck: length of the vector in the middle.
        decoder: channels of the last but one layer of the decoder.
        colours: channels of input and output.
    """

    def __init__(self, encoder: int = 64, bottleneck: int = 4000, decoder: int = 64, colours: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = [_down(colours, encoder), nn.LeakyReLU(SLOPE)]
        widths = [encoder, encoder, 2 * encoder, 4 * encoder, 8 * encoder]
        for inputs, outputs in pairwise(widths):
            layers += [_down(inputs, outputs), *_norm(outputs, nn.LeakyReLU(SLOPE))]
        layers += [nn.Conv2d(widths[-1], bottleneck, 4, bias=False), *_norm(bottleneck, nn.LeakyReLU(SLOPE))]
        widths = [8 * decoder, 4 * decoder, 2 * decoder, decoder]
        layers += [nn.ConvTranspose2d(bottleneck, widths[0], 4, bias=False), *_norm(widths[0], nn.ReLU())]
        for inputs, outputs in pairwise(widths):
            layers += [_up(inputs, outputs), *_norm(outputs, nn.ReLU())]
        self.main = nn.Sequential(*layers, _up(decoder, colours), nn.Tanh())

    def forward(self, image: Tensor) -> Tensor:
        """The centre of a picture.

        Args:
            image: `[N, 3, 128, 128]` in [-1, 1], its pixels `HIDDEN` in the mean colour; see `hide`.

        Returns:
            `[N, 3, 64, 64]` in (-1, 1), the pixels `CENTRE`.
        """
        return self.main(image)


class ContextDiscriminator(nn.Module):
    """Tells true centres from made ones (eq. 2); it sees nothing around them.

    Args:
        width: channels of its first layer; each later one has twice as many as the one before.
        colours: channels of the input.
    """

    def __init__(self, width: int = 64, colours: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = [_down(colours, width), nn.LeakyReLU(SLOPE)]
        for inputs in (width, 2 * width, 4 * width):
            layers += [_down(inputs, 2 * inputs), *_norm(2 * inputs, nn.LeakyReLU(SLOPE))]
        self.main = nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, bias=False), nn.Sigmoid())

    def forward(self, centre: Tensor) -> Tensor:
        """Probability `[N, 1]` that `centre` `[N, 3, 64, 64]` in [-1, 1] is of a true picture."""
        return self.main(centre).flatten(1)


def hide(image: Tensor, hidden: Tensor) -> Tensor:
    """Show the mean colour where `hidden` is 1.

    Args:
        image: `[N, 3, H, W]` in [0, 1]; the network takes it scaled to [-1, 1].
        hidden: `[N, 1, H, W]` in {0, 1}, or one for all pictures.
    """
    colour = image.new_tensor(MEAN_COLOUR).view(1, -1, 1, 1)
    return image * (1 - hidden) + colour * hidden


def hidden_centre(like: Tensor) -> Tensor:
    """The network's own hole, `[1, 1, 128, 128]`, 1 = hidden, with dtype and device of `like`."""
    mask = torch.zeros(1, 1, SIDE, SIDE, dtype=like.dtype, device=like.device)
    mask[..., HIDDEN, HIDDEN] = 1
    return mask


def context_encoder(shapes: Mapping[str, tuple[int, ...]]) -> ContextEncoder:
    """The generator that a state dict of `shapes` is of; the published one for an empty mapping."""
    if not shapes:
        return ContextEncoder()
    encoder, colours = shapes["main.0.weight"][:2]
    return ContextEncoder(encoder, shapes["main.14.weight"][0], shapes["main.29.weight"][0], colours)


def context_encoder_discriminator(shapes: Mapping[str, tuple[int, ...]]) -> ContextDiscriminator:
    """The discriminator that a state dict of `shapes` is of; the published one for an empty mapping."""
    return ContextDiscriminator(*shapes["main.0.weight"][:2]) if shapes else ContextDiscriminator()

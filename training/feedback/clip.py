"""OpenAI's CLIP ViT-B/32 as the second model, through transformers (Radford et al. 2021)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...imaging.errors import InputError, MissingError, WeightsError
from ...weights_registry.fetch import require

ENTRY = "clip-vit-b32-transformers"
MEAN, SPREAD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""What CLIP was trained with."""
SCALE, BIAS = 20.0, -5.0
"""From the similarity of CLIP, 0.2 to 0.3 for what fits, to a logit; training moves them."""


class ClipWords(nn.Module):
    """CLIP behind the interface of `DualEncoder`.

    Args:
        folder: with `config.json`, weights and tokeniser.
        whole: train all of it; else only the two projections into the common space.

    Raises:
        MissingError: transformers is not installed.
        WeightsError: the folder holds no CLIP.
    """

    def __init__(self, folder: Path, whole: bool = False) -> None:
        super().__init__()
        try:
            from transformers import AutoTokenizer, CLIPModel
        except ImportError as error:
            raise MissingError("CLIP needs a package: pip install 'inpaint-lens[feedback]'") from error
        try:
            self.clip = CLIPModel.from_pretrained(folder, local_files_only=True)
            self.tokeniser: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise WeightsError(f"{folder} holds no CLIP that can be loaded ({error}): fetch it again.") from error
        # Typed as what a file may say, not as what a CLIP has.
        config: Any = self.clip.config
        self.most, self.side = int(config.text_config.max_position_embeddings), int(config.vision_config.image_size)
        self.log_scale = nn.Parameter(torch.tensor(math.log(SCALE)))
        self.bias = nn.Parameter(torch.tensor(BIAS))
        self.register_buffer("mean", torch.tensor(MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("spread", torch.tensor(SPREAD).reshape(1, 3, 1, 1), persistent=False)
        self.clip.requires_grad_(whole)
        self.clip.logit_scale.requires_grad_(False)
        self.clip.visual_projection.requires_grad_(True)
        self.clip.text_projection.requires_grad_(True)

    def forward(self, image: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """As `DualEncoder.forward`; the picture is scaled to the size that CLIP takes."""
        image = F.interpolate(image, size=(self.side, self.side), mode="bicubic", align_corners=False, antialias=True)
        pixels = (image - self.get_buffer("mean")) / self.get_buffer("spread")
        seen = self.clip.visual_projection(self.clip.vision_model(pixel_values=pixels).pooler_output)
        present = (torch.arange(numbers.shape[1], device=numbers.device) < self._ends(numbers)[:, None]).long()
        read = self.clip.text_model(input_ids=numbers, attention_mask=present).pooler_output
        cosine = F.cosine_similarity(seen, self.clip.text_projection(read))
        return cosine, self.log_scale.exp() * cosine + self.bias

    def _ends(self, numbers: Tensor) -> Tensor:
        """Length of each text with its end token, the first one; those that follow it pad."""
        return (numbers == self.tokeniser.eos_token_id).int().argmax(1) + 1

    def encode(self, text: str) -> Tensor:
        """Tokens `[L]` of a text.

        Raises:
            InputError: it is longer than CLIP takes.
        """
        found = self.tokeniser(text)["input_ids"]
        if len(found) > self.most:
            raise InputError(
                f"The text has {len(found)} tokens and CLIP takes {self.most}: say it shorter, or in several texts."
            )
        return torch.tensor(found + [self.tokeniser.eos_token_id] * (self.most - len(found)))


def fetched_clip(whole: bool = False) -> ClipWords:
    """CLIP from the weights of the registry.

    Raises:
        MissingError: they are not here; the sentence says how to get them.
    """
    return ClipWords(require(ENTRY), whole)

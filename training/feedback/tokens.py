"""Texts as whole numbers: words and Chinese characters, and pairs of neighbours, hashed; nothing has to be learned."""

from __future__ import annotations

import re
import zlib
from itertools import pairwise

import torch
from torch import Tensor

from ...imaging.errors import InputError
from .texts import plain

VOCABULARY = 8192
"""Numbers of tokens; 0 is none."""
MOST_WORDS = 32
LENGTH = 2 * MOST_WORDS
_PARTS = re.compile(r"[\u3400-\u9fff]|[a-z0-9']+|[^\W\d_]+", re.IGNORECASE)
_SILENT = {"is", "are", "was", "were", "the", "a", "an", "looks", "seems", "very", "是", "的", "很"}


def encode(text: str) -> Tensor:
    """`int64 [LENGTH]`, padded with 0.

    Words that carry no meaning are left out, so that `hair is clear` and `hair clear` are the same; neighbours come
    as pairs too, so that `not clear` is more than `not` and `clear`.

    Raises:
        InputError: the text has no words, or more than the encoder takes.
    """
    words = [word.lower() for word in _PARTS.findall(plain(text))]
    words = [word for word in words if word not in _SILENT] or words
    if len(words) > MOST_WORDS:
        raise InputError(
            f"The text has {len(words)} words and the encoder takes {MOST_WORDS}: say it shorter, or in several texts."
        )
    pairs = [f"{first} {second}" for first, second in pairwise(words)]
    numbers = [zlib.crc32(part.encode()) % (VOCABULARY - 1) + 1 for part in words + pairs]
    return torch.tensor(numbers + [0] * (LENGTH - len(numbers)))

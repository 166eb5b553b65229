"""Predictions of the first model: some while it is trained, all pairs at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..outcome import to_uint8
from .sharpness import measured
from .tables import PairRow

if TYPE_CHECKING:
    from ..trainer import Trainer
    from .session import Session

PREVIEWED = 4
"""Pairs that are predicted at a time while training goes on."""
RGB = NDArray[np.uint8]


class Predictor:
    """Predicts whole pictures of a task and stores them, linked to their first samples.

    Args:
        session: of the task.
        stage: first or second.
        trainer: whose averaged weights predict.
    """

    def __init__(self, session: Session, stage: str, trainer: Trainer) -> None:
        self.session, self.stage, self.trainer = session, stage, trainer
        self.recipe: Any = cast(Any, trainer.recipe)
        self.rows = session.library.pairs()
        self.turn = 0

    def preview(self, step: int) -> None:
        """Predict the next few pairs, those that training is at before the others."""
        current = [row for row in self.rows if row.id in set(self.recipe.current)]
        count = min(PREVIEWED, len(self.rows))
        turned = [self.rows[(self.turn + index) % len(self.rows)] for index in range(count)]
        self.turn += count
        for row in (current + [row for row in turned if row not in current])[:count]:
            self._predict(row, step, final=False)

    def all(self, step: int) -> dict[str, float]:
        """Predict all pairs; returns the means over the held-out ones, over all where none are."""
        found = [(row.held_out, self._predict(row, step, final=True)) for row in self.rows]
        wanted = [numbers for held_out, numbers in found if held_out] or [numbers for _, numbers in found]
        return {name: float(np.mean([numbers[name] for numbers in wanted])) for name in wanted[0]}

    @torch.no_grad()
    def _predict(self, row: PairRow, step: int, final: bool) -> dict[str, float]:
        library = self.session.library
        first, second = (self._tensor(library.read(picture)) for picture in (row.first, row.second))
        network = self.trainer.averages.networks["restoration"]
        made = self.recipe.predict(network, first)
        numbers = {name: float(value) for name, value in measured(made, second).items()}
        library.add_prediction(row.id, to_uint8(made)[0], self.stage, step, numbers, final)
        return numbers

    def _tensor(self, picture: RGB) -> Tensor:
        height, width = picture.shape[:2]
        factor = self.session.settings.largest_px / max(height, width)
        if factor < 1:
            size = max(1, round(width * factor)), max(1, round(height * factor))
            picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        tensor = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None].float() / 255
        return tensor.to(self.trainer.device)

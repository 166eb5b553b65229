"""Networks with known answers, for recipes whose losses are then known in closed form."""

from typing import Any

import torch
from inpaint_lens.training.config import Config, parse_config
from inpaint_lens.training.recipes.protocol import Batch
from torch import Tensor, nn


class Answering(nn.Module):
    """Gives constants, whatever it is asked; its one parameter keeps gradients flowing."""

    def __init__(self, *answers: Any) -> None:
        super().__init__()
        self.zero = nn.Parameter(torch.zeros(()))
        self.answers = answers

    def forward(self, *_inputs: Tensor) -> Any:
        given = [torch.as_tensor(answer) + self.zero for answer in self.answers]
        return given[0] if len(given) == 1 else tuple(given)


class Summing(nn.Module):
    """A critic whose score is `slope` times the sum of the picture."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))

    def forward(self, picture: Tensor, *_others: Tensor) -> Tensor:
        return self.slope * picture.flatten(1).sum(1, keepdim=True)


def configured(recipe: dict[str, Any], losses: dict[str, float], side: int = 32, **sections: Any) -> Config:
    """A run of a recipe; no picture is read."""
    return parse_config({"data": {"folder": "none", "side": side}, "recipe": recipe, "losses": losses, **sections})


def flat_batch(side: int, box: int, colours: tuple[float, ...] = (0.5,)) -> Batch:
    """Grey pictures with a square hole of `box` px in the middle."""
    hole = torch.zeros(len(colours), 1, side, side)
    edge = (side - box) // 2
    hole[..., edge : edge + box, edge : edge + box] = 1
    return {"image": torch.tensor(colours).view(-1, 1, 1, 1).expand(-1, 3, side, side).clone(), "hole": hole}

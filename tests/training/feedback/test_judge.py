"""What keeps the second model honest: what it is shown in the third training, and the classes that it is told."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from inpaint_lens.training.feedback.decoys import fault_in, with_pattern
from inpaint_lens.training.feedback.manifest import MOST_REPEATED, write_manifest
from inpaint_lens.training.feedback.misleading import REACH, misleading
from inpaint_lens.training.feedback.opponent import IMAGE, LABEL, oppose
from torch import nn
from torch.nn import functional as F

from .conftest import drawing


class Judge(nn.Module):
    """Takes bright pictures for those that a text is true of."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(2.0))

    def forward(self, image, numbers):
        logit = self.slope * (image.mean((1, 2, 3)) - 0.5)
        return logit, logit


class Towards(nn.Module):
    """An opponent that goes a share of the way to the good picture, which it knows."""

    def __init__(self, better: torch.Tensor, share: float) -> None:
        super().__init__()
        self.better, self.share = better, nn.Parameter(torch.tensor(share))

    def forward(self, image):
        return torch.lerp(image, self.better[: len(image)], self.share)


def batch(count: int = 4, **changes):
    lots = torch.Generator().manual_seed(0)
    image, better = torch.rand(2, count, 3, 8, 8, generator=lots) * 0.5 + 0.25
    made = {
        "image": image,
        "better": better,
        "numbers": torch.zeros(count, 2, dtype=torch.long),
        "label": torch.tensor([1.0, 0.0] * (count // 2)),
        "faulty": torch.ones(count),
        "firm": torch.ones(count),
        "draw": torch.zeros(count, dtype=torch.long),
    }
    return made | changes


@pytest.mark.parametrize(("share", "classes"), [(0.0, [1, 0]), (0.25, [0.75, 0.25]), (1.0, [0, 1]), (-0.5, [1, 0])])
def test_a_changed_picture_is_called_better_only_as_far_as_it_is_nearer_to_the_good_one(share, classes):
    one = batch()
    oppose(Towards(one["better"], share), Judge(), one)
    torch.testing.assert_close(one[LABEL], torch.tensor(classes * 2, dtype=torch.float32))
    torch.testing.assert_close(one[IMAGE], torch.lerp(one["image"], one["better"], share))


@pytest.mark.parametrize("change", [{"faulty": torch.zeros(4)}, {"draw": torch.ones(4, dtype=torch.long)}])
def test_pictures_that_are_not_the_opponents_stay_as_they_are(change):
    one = batch(**change)
    loss = oppose(Towards(one["better"], 0.5), Judge(), one)
    assert loss == 0 and torch.equal(one[IMAGE], one["image"]) and torch.equal(one[LABEL], one["label"])


def test_the_loss_of_the_opponent_is_the_mean_over_processes_as_over_one():
    whole = batch(draw=torch.tensor([0, 0, 0, 1]))
    parts = [{name: value[part] for name, value in whole.items()} for part in (slice(0, 2), slice(2, 4))]
    losses = [oppose(Towards(one["better"], 0.5), Judge(), one) for one in (whole, *parts)]
    torch.testing.assert_close(losses[0], (losses[1] + losses[2]) / 2)


def test_a_misleading_picture_raises_the_loss_by_no_more_than_its_reach():
    one, judge = batch(draw=torch.tensor([1, 3, 0, 2])), Judge()
    changed = misleading(judge, one, lambda logit, some: F.binary_cross_entropy_with_logits(logit, some["label"]))
    assert torch.equal(changed[2:], one["image"][2:]) and (changed - one["image"]).abs().max() <= REACH + 1e-6
    brighter = (changed - one["image"]).mean((1, 2, 3))[:2]
    assert brighter[0] < 0 < brighter[1]


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_a_pattern_changes_a_picture_and_nothing_else_of_it(seed):
    picture = drawing(seed % 7, 40)
    before, made = picture.copy(), with_pattern(picture, np.random.default_rng(seed))
    assert made.shape == picture.shape and made.dtype == np.uint8
    assert (made != picture).any() and np.array_equal(picture, before)


@pytest.mark.parametrize(
    ("words", "label", "fault"),
    [
        ("hair is not clear", 1, "sharpness"),
        ("hair is clear", 1, ""),
        ("there is no noise", 0, "noise"),
        ("x is y", 1, ""),
    ],
)
def test_a_text_with_its_class_tells_the_fault(words, label, fault):
    assert fault_in(words, label) == fault


def test_good_pictures_come_about_as_often_as_faulty_ones(task):
    for pair in task.library.pairs():
        task.library.add_prediction(pair.id, drawing(pair.id + 50, 32), "first", 1, {}, final=True)
    items = write_manifest(task.library, task.labels, task.settings, "third")["train"]
    faulty = sum(bool(item["fault"]) for item in items)
    assert 0.7 < faulty / (len(items) - faulty) < 1.5
    distinct = {(item["picture"], item["words"]) for item in items}
    assert len(items) <= MOST_REPEATED * len(distinct)

import math

import pytest
import torch
from inpaint_lens.backends.architectures import fitted
from inpaint_lens.backends.edgeconnect import canny_edges, grey
from inpaint_lens.backends.nets.edgeconnect import EdgeGenerator
from inpaint_lens.imaging.errors import InputError, WeightsError
from inpaint_lens.training.checkpoints import Checkpoint, Checkpoints
from inpaint_lens.training.recipes.edgeconnect import CompletionRecipe, EdgeRecipe, judge_weights, l1_by_hole
from inpaint_lens.training.recipes.edges import EdgeCrops
from inpaint_lens.training.recipes.protocol import Batch
from safetensors.torch import save_file

from .stubs import Answering, configured, flat_batch

TINY = {"width": 2, "blocks": 1}
EDGES = {"adversarial": 1.0, "feature_matching": 10.0}
COMPLETION = {"l1": 1.0, "adversarial": 0.1, "total_variation": 0.2}


@pytest.fixture
def batch() -> Batch:
    """A grey picture, a hole in its middle and a line through both."""
    edges = torch.zeros(1, 1, 32, 32)
    edges[..., 15, :] = 1
    return {**flat_batch(32, 16), "edges": edges}


class Judge(torch.nn.Module):
    """Gives the mean of each picture as its only features, which are its scores too."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = torch.nn.Parameter(torch.ones(()))

    def forward(self, picture: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        score = self.slope * picture.mean((1, 2, 3)).view(-1, 1, 1, 1)
        return score.sigmoid(), [score]


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def test_the_edge_generators_loss_by_hand(batch):
    recipe = EdgeRecipe(configured({"name": "edgeconnect_edges", **TINY}, EDGES))
    recipe.networks |= {"generator": Answering(torch.full((1, 1, 32, 32), 0.25)), "discriminator": Judge()}
    total, losses = recipe.phases(0)[0].loss(batch)
    made, true = (0.5 + 0.25) / 2, (0.5 + 1 / 32) / 2
    assert losses["adversarial"].item() == pytest.approx(softplus(-made), rel=1e-4)
    assert losses["feature_matching"].item() == pytest.approx(made - true, rel=1e-4)
    assert total.item() == pytest.approx(softplus(-made) + 10 * (made - true), rel=1e-4)
    total, _ = recipe.phases(0)[1].loss(batch)
    assert total.item() == pytest.approx(softplus(-true) + softplus(made), rel=1e-4)


def test_the_discriminator_of_edges_sees_the_grey_picture_beside_them(batch):
    recipe = EdgeRecipe(configured({"name": "edgeconnect_edges", **TINY}, EDGES))
    assert torch.equal(recipe.seen(batch["edges"], batch), torch.cat([grey(batch["image"]), batch["edges"]], 1))


def test_the_edge_generator_sees_nothing_of_the_hole(batch):
    recipe = EdgeRecipe(configured({"name": "edgeconnect_edges", **TINY}, EDGES))
    network = recipe.networks["generator"].eval()
    other = {
        **batch,
        "image": batch["image"] * (1 - batch["hole"]),
        "edges": batch["edges"] * (1 - batch["hole"]),
    }
    assert torch.equal(recipe.fill(network, batch), recipe.fill(network, other))


def test_the_completion_networks_loss_by_hand(batch):
    recipe = CompletionRecipe(configured({"name": "edgeconnect", **TINY}, COMPLETION))
    recipe.networks |= {"generator": Answering(torch.full((1, 3, 32, 32), 0.75)), "discriminator": Judge()}
    total, losses = recipe.phases(0)[0].loss(batch)
    # The border of the hole is a step of 0.25 along 16 px on either side, over 31 * 32 differences.
    variation = 2 * (0.25 * 2 * 16) / (31 * 32)
    wanted = {"l1": 0.25 / 0.25, "adversarial": softplus(-0.75), "total_variation": variation}
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(wanted, rel=1e-4)
    assert total.item() == pytest.approx(1.0 + 0.1 * softplus(-0.75) + 0.2 * variation, rel=1e-4)


def test_l1_is_divided_by_the_share_of_the_hole():
    hole = torch.zeros(2, 1, 4, 4)
    hole[0, ..., :2], hole[1, 0, 0, 0] = 1, 1
    output = torch.ones(2, 3, 4, 4)
    assert l1_by_hole(output, torch.zeros_like(output), hole).item() == pytest.approx((2 + 16) / 2)


def test_without_an_edge_generator_the_true_edges_are_followed(batch):
    recipe = CompletionRecipe(configured({"name": "edgeconnect", **TINY}, COMPLETION))
    assert torch.equal(recipe.followed(batch), batch["edges"])


def test_the_edges_of_a_generator_are_followed_in_the_hole_only(batch, tmp_path):
    path = tmp_path / "edges.safetensors"
    save_file(EdgeGenerator(width=2, blocks=1).state_dict(), path)
    recipe = CompletionRecipe(configured({"name": "edgeconnect", **TINY, "edges": str(path)}, COMPLETION))
    followed, hole = recipe.followed(batch), batch["hole"]
    assert torch.equal(followed * (1 - hole), batch["edges"] * (1 - hole))
    inside = followed[hole > 0]
    assert ((inside > 0) & (inside < 1)).all()
    assert len(recipe.frozen) == 2 and "edges" not in recipe.networks


def test_weights_of_another_network_are_no_edge_generator(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "x.safetensors")
    config = configured({"name": "edgeconnect", **TINY, "edges": str(tmp_path / "x.safetensors")}, COMPLETION)
    with pytest.raises(WeightsError, match="edgeconnect-edge"):
        CompletionRecipe(config)


def test_the_discriminator_of_a_run_is_what_the_checks_load(batch, tmp_path):
    recipe = EdgeRecipe(configured({"name": "edgeconnect_edges", **TINY}, EDGES))
    judge = recipe.networks["discriminator"].eval()
    tensors = {f"networks/discriminator/{key}": value for key, value in judge.state_dict().items()}
    Checkpoints(tmp_path / "checkpoints").save(Checkpoint(tensors, {"step": 1}))
    state = judge_weights(tmp_path)
    save_file(state, tmp_path / "judge.safetensors")
    loaded = fitted("inpaint_lens.backends.nets.edgeconnect:edge_discriminator", state, "judge")
    shown = recipe.seen(batch["edges"], batch)
    assert torch.equal(loaded(shown)[0], judge(shown)[0])


def test_a_folder_without_a_run_has_no_discriminator(tmp_path):
    with pytest.raises(InputError, match="has no checkpoint"):
        judge_weights(tmp_path)


class OneCrop:
    """A crop of half black, half white."""

    broken = torch.zeros(1, dtype=torch.bool)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        image = torch.zeros(3, 32, 32, dtype=torch.uint8)
        image[:, 16:] = 255
        return {"image": image, "hole": torch.ones(1, 32, 32, dtype=torch.bool)}


def test_crops_have_the_edges_of_the_whole_picture():
    item = EdgeCrops(OneCrop(), 1.0)[0]
    wanted = canny_edges(item["image"][None] / 255, torch.zeros(1, 1, 32, 32), 1.0)[0]
    assert item["edges"].dtype == torch.bool and torch.equal(item["edges"].float(), wanted)
    assert item["edges"][:, 14:18, 1:-1].any(1).all() and not item["edges"][:, :14].any()

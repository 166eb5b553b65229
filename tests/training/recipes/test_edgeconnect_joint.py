import pytest
import torch
from inpaint_lens.backends.nets.edgeconnect import EdgeGenerator, InpaintGenerator
from inpaint_lens.imaging.errors import InputError, WeightsError
from inpaint_lens.training.checkpoints import Checkpoint, Checkpoints
from inpaint_lens.training.recipes.edgeconnect import CompletionRecipe
from inpaint_lens.training.recipes.edgeconnect_joint import JointRecipe
from inpaint_lens.training.recipes.protocol import Batch
from safetensors.torch import save_file

from .stubs import configured, flat_batch

TINY = {"width": 2, "blocks": 1}
LOSSES = {"l1": 1.0, "adversarial": 0.1}


@pytest.fixture
def batch() -> Batch:
    """A grey picture, a hole in its middle and a line through both."""
    edges = torch.zeros(1, 1, 32, 32)
    edges[..., 15, :] = 1
    return {**flat_batch(32, 16), "edges": edges}


def joint(**settings: str) -> JointRecipe:
    return JointRecipe(configured({"name": "edgeconnect_joint", **TINY, **settings}, LOSSES))


def test_the_loss_reaches_both_generators_and_the_edge_discriminator_is_gone(batch):
    recipe = joint()
    recipe.phases(0)[0].loss(batch)[0].backward()
    parts = recipe.networks["generator"]
    for place in ("edges.network", "network"):
        gradients = [parameter.grad for parameter in parts.get_submodule(place).parameters()]
        assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
        assert any(gradient is not None and gradient.any() for gradient in gradients)
    assert [phase.network for phase in recipe.phases(0)] == ["generator", "discriminator"]
    assert recipe.networks["discriminator"].get_parameter("conv1.0.weight_orig").shape[1] == 3
    trained = {id(one) for group in recipe.optimisers["generator"].param_groups for one in group["params"]}
    assert trained == {id(one) for one in parts.parameters()}


def test_true_edges_of_the_hole_are_not_seen(batch):
    recipe = joint()
    network = recipe.networks["generator"].eval()
    other = {**batch, "edges": batch["edges"] * (1 - batch["hole"])}
    assert torch.equal(recipe.fill(network, batch), recipe.fill(network, other))


def test_it_begins_with_the_networks_of_both_stages(batch, tmp_path):
    edges, completion = EdgeGenerator(width=2, blocks=1), InpaintGenerator(width=2, blocks=1)
    save_file(edges.state_dict(), tmp_path / "edges.safetensors")
    recipe = joint(edges=str(tmp_path / "edges.safetensors"))
    recipe.start_from(completion.state_dict(), "weights")
    parts = recipe.networks["generator"]
    for place, network in (("edges.network", edges), ("network", completion)):
        found = parts.get_submodule(place).state_dict()
        assert all(torch.equal(found[key], value) for key, value in network.state_dict().items())
    both = recipe.export({"generator": parts})
    again = joint()
    again.start_from(both, "weights")
    assert all(torch.equal(value, both[key]) for key, value in again.export(again.networks).items())


def test_weights_of_another_network_are_refused():
    with pytest.raises(WeightsError, match="mine is of another network"):
        joint().start_from(EdgeGenerator(width=2, blocks=1).state_dict(), "mine")


def test_the_discriminator_goes_on_from_that_of_a_run(tmp_path):
    first = CompletionRecipe(configured({"name": "edgeconnect", **TINY}, LOSSES))
    state = first.networks["discriminator"].state_dict()
    tensors = {f"networks/discriminator/{key}": value for key, value in state.items()}
    Checkpoints(tmp_path / "checkpoints").save(Checkpoint(tensors, {"step": 1}))
    found = joint(judge=str(tmp_path)).networks["discriminator"].state_dict()
    assert found.keys() == state.keys() and all(torch.equal(found[key], value) for key, value in state.items())
    with pytest.raises(InputError, match="has no checkpoint"):
        joint(judge=str(tmp_path / "none"))

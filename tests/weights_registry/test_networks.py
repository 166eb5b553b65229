import json
from pathlib import Path
from typing import Any

import pytest
import torch
from inpaint_lens.imaging.errors import InputError, WeightsError
from inpaint_lens.weights_registry.networks import chosen, networks

GOLDEN = Path(__file__).parents[1] / "golden"
PUBLISHED = {
    path.parent.name: dict.fromkeys(json.loads(path.read_text(encoding="utf-8"))["keys"], 1.0)
    for path in sorted(GOLDEN.glob("*/manifest.json"))
}
"""The keys of published networks, with a number for each tensor."""
OTHER = {"conv.weight_bar": 2.0, "fc.bias": 2.0}


def picked(value: Any, prefix: str | None = None) -> tuple[str, dict[str, Any]]:
    return chosen(networks(value, float), "weights.pth", prefix)


def under(name: str, state: dict[str, float]) -> dict[str, float]:
    return {f"{name}.{key}": value for key, value in state.items()}


LAYOUTS = {
    "plain": lambda state: state,
    "parallel training": lambda state: under("module", state),
    "state_dict and epoch": lambda state: {"epoch": 3, "state_dict": state},
    "model and optimiser": lambda state: {"n_iter": 9, "model": state, "optimizer": {"state": {0: OTHER}}},
    "G and D": lambda state: {"G": state, "D": OTHER, "D_optim": {"state": {0: OTHER}}},
    "D, G and G_ema": lambda state: {"D": OTHER, "G": OTHER, "G_ema": state},
    "generator and iteration": lambda state: {"iteration": 7, "generator": state},
    "netG of parallel training": lambda state: {"netG": under("module", state), "netD": OTHER},
    "gen and dis": lambda state: {"gen": state, "dis": OTHER},
    "params and params_ema": lambda state: {"params": OTHER, "params_ema": state},
    "Lightning": lambda state: {
        "state_dict": under("generator", state) | under("discriminator", OTHER) | under("loss_resnet_pl.impl", OTHER),
        "callbacks": {},
    },
    "Lightning, the generator alone": lambda state: {"state_dict": under("generator", state)},
    "Lightning with averaged weights": lambda state: {
        "state_dict": under("generator_ema", state) | under("generator", OTHER) | under("val_evaluator", OTHER)
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_published_network_is_found_in_every_layout_of_checkpoints(layout):
    assert len(PUBLISHED) > 25
    for name, state in PUBLISHED.items():
        assert picked(LAYOUTS[layout](state))[1] == state, name


def test_a_program_that_holds_lama_gives_its_keys():
    assert picked(under("model", PUBLISHED["lama_big"]))[1] == PUBLISHED["lama_big"]


def test_a_part_that_is_called_generator_is_no_wrapper():
    assert any(key.startswith("generator.") for key in PUBLISHED["picnet_generator"])
    assert picked(PUBLISHED["picnet_generator"])[0] == ""


def test_the_only_network_is_taken_whatever_its_name():
    assert picked({"iteration": 1, "discriminator": OTHER}) == ("discriminator", OTHER)


def test_two_networks_of_which_none_is_known_to_fill_are_refused_by_name():
    with pytest.raises(WeightsError, match=r"one \(2 tensors\), two \(1 tensor\).*--prefix"):
        picked({"one": OTHER, "two": {"a": 1.0}})


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [("D", OTHER), ("nets.D", OTHER), ("D.", OTHER), ("fc", {"bias": 2.0}), ("nets.G.a", {"b": 1.0})],
)
def test_a_prefix_chooses_a_network_or_a_part_of_one(prefix, expected):
    assert picked({"nets": {"G": {"a.b": 1.0}, "D": OTHER}}, prefix)[1] == expected


def test_a_prefix_that_nothing_has_is_told_with_what_there_is():
    with pytest.raises(InputError, match=r"no 'E'.*G \(1 tensor\), D \(2 tensors\)"):
        picked({"G": {"a": 1.0}, "D": OTHER}, "E")


def test_what_holds_no_tensor_is_refused():
    for value in (None, 3, [1.0], {"epoch": 3}, {3: 1.0}):
        with pytest.raises(WeightsError, match="no plain mapping"):
            picked(value)


def test_mappings_that_contain_each_other_come_to_an_end():
    loop: dict[str, Any] = {"a": 1.0}
    loop["again"] = loop
    wide: dict[str, Any] = {"a": 1.0}
    for _ in range(30):
        wide = dict.fromkeys(map(str, range(30)), wide)
    assert picked(loop) == ("", {"a": 1.0})
    with pytest.raises(WeightsError):
        picked(wide)


def test_words_before_the_keys_are_not_taken_off_for_ever():
    key = "module." * 5000 + "weight"
    assert len(picked({key: 1.0})[1]) == 1


def test_tensors_are_told_from_what_is_none():
    state = {"weight": torch.ones(2), "step": 3, "name": "x"}
    assert list(chosen(networks(state, torch.Tensor), "x")[1]) == ["weight"]

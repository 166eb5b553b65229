from dataclasses import replace

import pytest
import torch
from inpaint_lens.backends.protocol import BackendInfo, Setting
from inpaint_lens.backends.settings import checked, extras
from inpaint_lens.imaging.errors import InputError

INFO = BackendInfo(
    "toy",
    "a toy",
    "",
    "MIT",
    True,
    settings=(
        Setting("steps", 20, "how many", low=1, high=100),
        Setting("guidance", 7.5, "how much", low=0),
        Setting("prompt", "", "what"),
        Setting("tiled", False, "whether"),
        Setting("offload", "none", "where", choices=("none", "model")),
    ),
)


def test_what_nobody_chooses_has_its_default():
    assert checked(INFO, {}) == {"steps": 20, "guidance": 7.5, "prompt": "", "tiled": False, "offload": "none"}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("steps", "5", 5),
        ("guidance", "3", 3.0),
        ("tiled", "yes", True),
        ("tiled", "off", False),
        ("prompt", "12", "12"),
    ],
)
def test_text_is_read_as_the_type_of_the_setting(name, text, value):
    got = checked(INFO, {name: text})[name]
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("steps", 0, "from 1 to 100"),
        ("steps", "many", "give a number"),
        ("steps", 2.5, "whole number"),
        ("steps", float("nan"), "whole number"),
        ("guidance", float("nan"), "give a number"),
        ("guidance", -1, "from 0"),
        ("tiled", "maybe", "yes or no"),
        ("offload", "gpu", "none, model"),
        ("step", 3, "did you mean 'steps'"),
    ],
)
def test_a_value_out_of_range_is_refused_with_what_is_allowed(name, value, words):
    with pytest.raises(InputError, match=words):
        checked(INFO, {name: value})


def test_a_backend_without_settings_is_called_without_any():
    assert extras(replace(INFO, settings=()), {}) == {}


def test_lines_are_refused_by_a_backend_that_takes_none():
    with pytest.raises(InputError, match="takes no drawn lines"):
        extras(INFO, {}, torch.zeros(1, 1, 4, 4))


def test_lines_reach_a_backend_that_takes_them():
    guide = torch.zeros(1, 1, 4, 4)
    assert extras(replace(INFO, settings=(), guide="edges"), {}, guide) == {"guide": guide}

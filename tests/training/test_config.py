import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.training.config import parse_config, read_config
from inpaint_lens.training.settings import number, one_of, read_settings, to_toml

DATA = {"folder": "pictures"}


def test_what_is_not_said_has_a_default():
    config = parse_config({"data": DATA})
    assert config.recipe == {"name": "inpainting"}
    assert config.data.folder == Path("pictures")
    assert config.trainer.batch == 8


def test_a_configuration_written_down_reads_as_the_same():
    table = {"data": {**DATA, "scale": [0.5, 2], "cache": 'a "b" \\c'}, "holes": {"kinds": {"boxes": 2}}}
    config = parse_config({**table, "recipe": {"generator": {"name": "lens-small", "blocks": 2}}})
    assert parse_config(tomllib.loads(config.to_toml())) == config


@given(st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(
        st.characters(exclude_categories=["Cs"])
    ),
    lambda inner: st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), inner, max_size=4),
).filter(lambda value: isinstance(value, dict)))  # fmt: skip
def test_any_table_survives_toml(table):
    assert tomllib.loads(to_toml(table)) == table


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({}, r"\[data\] is missing"),
        ({"data": {}}, r"\[data\] folder is missing"),
        ({"data": {**DATA, "sides": 64}}, r"\[data\] has no setting 'sides': did you mean 'side'"),
        ({"data": {**DATA, "side": "big"}}, r"\[data\] side is 'big': give a whole number"),
        ({"data": {**DATA, "side": True}}, r"\[data\] side is True"),
        ({"data": {**DATA, "side": 0}}, r"\[data\] side is 0: give from 8 to 4096"),
        ({"data": {**DATA, "scale": [1.0]}}, r"\[data\] scale is .* a list of 2"),
        ({"data": {**DATA, "scale": [2.0, 1.0]}}, r"smaller number first"),
        ({"data": {**DATA, "short_side": 100}}, r"short_side must not be below"),
        ({"data": DATA, "trainr": {}}, r"no section \[trainr\]"),
        ({"data": DATA, "trainer": {"precision": "half"}}, r"precision is 'half': take one of no, bf16, fp16"),
        ({"data": DATA, "losses": {"l1": -1}}, r"\[losses\] l1 is -1"),
        ({"data": DATA, "losses": 3}, r"\[losses\] must be a table"),
        ({"data": DATA, "holes": {"kinds": {"boxes": 0}}}, r"kind a weight above 0"),
        ({"data": DATA, "holes": {"coverage": [0, 0]}}, r"cover something"),
        ({"data": DATA, "optimiser": {"betas": [0.9, 1.0]}}, r"betas must be below 1"),
        ({"data": 3}, r"\[data\] must be a table"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named_in_a_sentence(table, words):
    with pytest.raises(InputError, match=words):
        parse_config(table)


def test_changes_win_over_the_file(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text('[data]\nfolder = "a"\nside = 64\n')
    config = read_config(file, ["data.side=128", "data.folder=some where/b", "recipe.generator.blocks=3"])
    assert (config.data.side, config.data.folder) == (128, Path("some where/b"))
    assert config.recipe["generator"] == {"blocks": 3}


@pytest.mark.parametrize("change", ["side=3", "data.side", "data.=1", "data.side.x=1", "=2"])
def test_a_change_that_names_no_setting_is_told(tmp_path, change):
    file = tmp_path / "run.toml"
    file.write_text('[data]\nfolder = "a"\nside = 64\n')
    with pytest.raises(InputError, match="set"):
        read_config(file, [change])


@pytest.mark.parametrize("content", ["[data", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_told(tmp_path, content):
    file = tmp_path / "run.toml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match="no valid TOML"):
        read_config(file)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_config(tmp_path / "none.toml")


@dataclass(frozen=True)
class Inner:
    width: int = number(3, 1, 9)


@dataclass(frozen=True)
class Outer:
    inner: Inner | None = None
    word: str = one_of("a", "b")
    sizes: tuple[int, ...] = ()
    weights: dict[str, float] = field(default_factory=dict)


def test_tables_in_tables_become_dataclasses():
    outer = read_settings(Outer, {"inner": {"width": 4}, "sizes": [1, 2, 3], "weights": {"x": 1}}, "it")
    assert outer == Outer(Inner(4), "a", (1, 2, 3), {"x": 1.0})


def test_a_wrong_setting_in_a_table_in_a_table_is_named_with_its_place():
    with pytest.raises(InputError, match=r"\[it\.inner\] width is 10: give from 1 to 9"):
        read_settings(Outer, {"inner": {"width": 10}}, "it")

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from inpaint_lens.gradio_demo.widgets import (
    ASSETS,
    asset,
    cached,
    chosen_of,
    delivered,
    file_data,
    name_of,
    painted_of,
    point_of,
    uploaded,
)
from inpaint_lens.imaging.errors import InputError


def test_only_files_of_the_cache_are_taken_for_uploads(tmp_path):
    path = cached(b"data", "mine.png")
    assert uploaded(file_data(path)) == Path(path).resolve()
    foreign = tmp_path / "foreign.png"
    foreign.write_bytes(b"data")
    for given in (str(foreign), "/etc/passwd", f"{Path(path).parent}/../../{foreign}", "relative.png"):
        with pytest.raises(InputError) as told:
            uploaded({"path": given})
        assert str(tmp_path) not in str(told.value)


def test_a_link_out_of_the_cache_is_not_followed(tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"data")
    link = Path(cached(b"x", "link.png"))
    link.unlink()
    link.symlink_to(secret)
    with pytest.raises(InputError):
        uploaded(file_data(str(link)))


@pytest.mark.parametrize("value", [None, 7, "text", [], {}, {"paint": 3}, {"source": "x", "paint": {"fill": None}}])
def test_what_is_no_painters_value_is_an_empty_one(value: Any):
    painted = painted_of(value)
    assert painted.source is None
    assert not any(painted.paint.values())


@pytest.mark.parametrize("read", [point_of, chosen_of])
@pytest.mark.parametrize("value", [None, 7, "text", [], {}, {"point": 1, "values": 1}])
def test_what_is_no_choice_is_none(read: Any, value: Any):
    assert read(value) == {}


def test_settings_and_names_are_read():
    assert chosen_of({"values": {"repaint": {"steps": 3}, "x": 1}}) == {"repaint": {"steps": 3}}
    assert name_of({"name": "kitten", "count": 2}) == "kitten"
    assert name_of({"name": 3}) == ""


def test_a_delivery_names_its_file_and_is_new_each_time():
    first, second = delivered(b"data", "fill.png"), delivered(b"data", "fill.png")
    assert first["file"]["orig_name"] == "fill.png"
    assert Path(first["file"]["path"]).read_bytes() == b"data"
    assert first["stamp"] != second["stamp"]


def test_no_part_of_the_page_names_another_host_or_breaks_gradios_templates():
    for path in ASSETS.iterdir():
        text = path.read_text(encoding="utf-8")
        assert "http:" not in text
        assert "https:" not in text
        if path.suffix == ".html":  # Gradio reads it as a template literal and as Handlebars
            assert "`" not in text
            assert "${" not in text
            assert "{{" not in text
            assert "\\" not in text


def test_every_part_has_a_script_and_a_template():
    for path in ASSETS.glob("*.js"):
        assert asset(path.with_suffix(".html").name)


def test_no_stub_files_are_written_beside_the_source():
    assert not list(ASSETS.parent.glob("*.pyi"))

import re
from pathlib import Path

import pytest
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.weights_registry import HubSettings, entry, load_catalog
from inpaint_lens.weights_registry.catalog import BUILT_IN, FORMATS, PURPOSES, parse_entry, read_catalog, size_text

ENTRIES = list(read_catalog(BUILT_IN).values())
GOOD = {
    "title": "T",
    "source": "https",
    "url": "https://example.org/a.onnx",
    "licence": "MIT",
    "commercial_use": True,
    "format": "onnx",
    "purpose": "inpaint",
    "use": "x",
}


@pytest.mark.parametrize("item", ENTRIES, ids=lambda item: item.name)
class TestEveryEntry:
    def test_has_a_licence_a_format_and_a_purpose(self, item):
        assert item.licence
        assert item.use
        assert item.upstream
        assert item.format in FORMATS
        assert item.purpose in PURPOSES

    def test_is_pinned_to_a_commit_or_an_https_address(self, item):
        if item.source == "hub":
            assert re.fullmatch("[0-9a-f]{40}", item.revision)
        else:
            assert item.page_url.startswith("https://")

    def test_has_full_checksums_or_none(self, item):
        for part in item.files:
            assert part.sha256 == "" or re.fullmatch("[0-9a-f]{64}", part.sha256)

    def test_points_to_entries_that_exist(self, item):
        assert not item.superseded_by or item.superseded_by in load_catalog()

    def test_of_doubtful_licence_is_not_said_to_be_commercial(self, item):
        if re.search("NC|unknown|unclear|non-commercial", item.licence):
            assert not item.commercial_use

    def test_names_no_pickle_unless_a_person_fetches_and_converts_it(self, item):
        assert item.by_hand or not any(part.path.endswith((".pkl", ".pickle")) for part in item.files)


def test_no_two_entries_are_the_same_bytes():
    sums = [part.sha256 for item in ENTRIES for part in item.files if part.sha256]
    assert len(sums) == len(set(sums))


def test_an_unknown_name_is_answered_with_the_nearest_ones():
    with pytest.raises(InputError, match="did you mean lama-onnx"):
        entry("lama-onx")


def test_a_name_like_no_other_is_answered_with_the_command_that_lists_them():
    with pytest.raises(InputError, match="download --list"):
        entry("zzzzzz")


def test_the_users_catalog_adds_and_replaces_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    text = "\n".join(f"[{name}]\n" + BODY for name in ("mine", "migan"))
    (tmp_path / "own.toml").write_text(text)
    monkeypatch.setenv("INPAINT_LENS_CATALOG", str(tmp_path / "own.toml"))
    entries = load_catalog()
    assert entries["mine"].title == entries["migan"].title == "Own"
    assert "lama" in entries


BODY = (
    'title = "Own"\nsource = "https"\nurl = "https://example.org/a.onnx"\nlicence = "MIT"\ncommercial_use = true\n'
    'format = "onnx"\npurpose = "inpaint"\nuse = "x"\n'
)


@pytest.mark.parametrize("content", [None, "not [ toml", "mine = 3", "[mine]\ntitle = 'x'", '["../x"]\n' + BODY])
def test_a_catalog_that_cannot_be_used_is_named_in_the_error(tmp_path: Path, content: str | None):
    path = tmp_path / "own.toml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=r"own\.toml"):
        load_catalog(HubSettings(catalog=path))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"url": "http://example.org/a.onnx"}, "https"),
        ({"url": "file:///etc/passwd"}, "https"),
        ({"format": "pickle"}, "pickle"),
        ({"format": "torchscript"}, "sha256"),
        ({"sha256": "abc"}, "64"),
        ({"source": "hub", "repo": "a/b", "revision": "main", "file": "x"}, "40"),
        ({"source": "hub", "repo": "a/b", "revision": "a" * 40, "file": "../x"}, "leaves its folder"),
        ({"typo": 1}, "typo"),
        ({"licence": ""}, "licence"),
    ],
)
def test_an_entry_that_breaks_a_rule_is_refused(change: dict, words: str):
    parse_entry("good", GOOD)
    with pytest.raises(ValueError, match=words):
        parse_entry("bad", GOOD | change)


PAGE = {key: value for key, value in GOOD.items() if key != "url"} | {"source": "page", "page": "https://example.org/"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"page": "http://127.0.0.1/"}, "https"),
        ({"page": ""}, "https"),
        ({"page": "https://"}, "https"),
        ({"url": "https://example.org/a.onnx"}, "no url"),
        ({"repo": "a/b"}, "no url, repo"),
        ({"gated": True}, "gate"),
        ({"include": ["*"]}, "one file"),
        ({"format": "diffusers"}, "one file"),
        ({"format": "torchscript"}, "sha256"),
        ({"file": "../a.onnx"}, "leaves its folder"),
        ({"source": "https", "url": "https://example.org/a.onnx"}, "source page only"),
    ],
)
def test_a_page_for_people_has_its_own_rules(change: dict, words: str):
    parse_entry("good", PAGE)
    with pytest.raises(ValueError, match=words):
        parse_entry("bad", PAGE | change)


def test_a_file_that_is_got_by_hand_may_have_no_name_but_has_a_size_and_a_checksum():
    made = parse_entry("mine", PAGE | {"format": "pytorch", "size": 3_000_000, "sha256": "a" * 64})
    assert (made.filename, made.size_text, made.page_url) == ("mine.pth", "3.0 MB", "https://example.org/")
    assert made.files[0].pinned
    assert parse_entry("mine", PAGE | {"file": "G.onnx"}).filename == "G.onnx"


def test_plain_http_is_allowed_on_this_machine_only():
    parse_entry("good", GOOD | {"url": "http://127.0.0.1:8000/a.onnx"})
    with pytest.raises(ValueError, match="https"):
        parse_entry("bad", GOOD | {"url": "http://127.0.0.1.example.org/a.onnx"})


def test_sizes_are_told_in_words():
    assert [size_text(size) for size in (0, 12, 2_500, 208_044_816, 2_741_000_000)] == [
        "size unknown",
        "12 bytes",
        "2.5 kB",
        "208 MB",
        "2.7 GB",
    ]


def test_adding_an_entry_takes_one_table_only():
    made = parse_entry("new", GOOD | {"size": 1_500_000})
    assert (made.filename, made.megabytes, made.page_url) == ("a.onnx", 1.5, GOOD["url"])

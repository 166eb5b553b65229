import json
import os
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import pyvips
from inpaint_lens.backends import registry
from inpaint_lens.cli import main
from inpaint_lens.imaging.reading import read_picture
from numpy.typing import NDArray
from PIL import Image

FAST = ["--backend", "telea"]


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory) -> None:
    """No cache, no weights and no settings of the person who runs the tests."""
    cache = tmp_path_factory.mktemp("cache")
    for name in ("INPAINT_LENS_WEIGHTS", "INPAINT_LENS_WEIGHTS_DIR", "INPAINT_LENS_CATALOG", "INPAINT_LENS_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("INPAINT_LENS_CACHE", str(cache))
    monkeypatch.setenv("HF_HUB_CACHE", str(cache / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    registry.unload()


def photograph(height: int = 60, width: int = 70, seed: int = 0) -> NDArray[np.uint8]:
    y, x = np.mgrid[:height, :width]
    waves = np.stack([110 + 60 * np.sin(x / 7) * np.cos(y / 9) + 20 * c for c in range(3)], 2)
    return np.clip(waves + np.random.default_rng(seed).normal(0, 6, waves.shape), 0, 255).astype(np.uint8)


def square(height: int = 60, width: int = 70) -> NDArray[np.uint8]:
    mask = np.zeros((height, width), np.uint8)
    mask[24:36, 30:44] = 255
    return mask


def save(array: NDArray[np.uint8], path: Path) -> Path:
    Image.fromarray(array).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with `photo.png` and `mask.png` in it."""
    save(photograph(), tmp_path / "photo.png")
    save(square(), tmp_path / "mask.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def listing(folder: Path) -> dict[str, bytes | None]:
    """Every file with its bytes."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


@pytest.fixture
def refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that must fail with exit code 2, one sentence and nothing written; returns the sentence."""

    def run(*arguments: str) -> str:
        before = listing(folder)
        code = main(list(arguments))
        shown = capsys.readouterr()
        assert code == 2
        assert listing(folder) == before
        assert shown.out == ""
        assert shown.err.count("\n") == 1
        assert shown.err.endswith((".\n", "?\n"))
        assert "Traceback" not in shown.err
        return shown.err

    return run


def huge_png() -> bytes:
    """A PNG that says it has 40,000 x 40,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def nan_tiff() -> bytes:
    values = np.full((60, 70, 3), 0.5, np.float32)
    values[3, 4] = np.nan
    return bytes(pyvips.Image.new_from_array(values).tiffsave_buffer())  # pyright: ignore[reportArgumentType]


BAD_FILES: dict[str, tuple[Callable[[bytes], bytes | None], str]] = {
    "missing": (lambda good: None, "does not exist"),
    "empty": (lambda good: b"", "empty"),
    "truncated": (lambda good: good[: len(good) // 2], "cut short"),
    "text": (lambda good: b"Dear reader, this is no picture.", "not a picture"),
    "huge": (lambda good: huge_png(), "1600 megapixels"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
@pytest.mark.parametrize("which", ["photo.png", "mask.png"])
def test_a_file_that_cannot_be_read_is_refused(folder, refused, kind, which):
    spoil, words = BAD_FILES[kind]
    content = spoil((folder / which).read_bytes())
    (folder / which).unlink() if content is None else (folder / which).write_bytes(content)
    sentence = refused("fill", "photo.png", "mask.png", "-o", "out.png", *FAST)
    assert words in sentence
    assert which in sentence


def test_nan_in_a_float_picture_is_refused(folder, refused):
    (folder / "photo.tif").write_bytes(nan_tiff())
    assert "not finite" in refused("fill", "photo.tif", "mask.png", "-o", "out.tif", *FAST)


BAD_MASKS = {
    "another size": (square(50, 70), "70 x 50 pixels but the picture is 70 x 60"),
    "empty": (square() * 0, "empty"),
    "everything": (square() * 0 + 255, "whole picture"),
}


@pytest.mark.parametrize("kind", BAD_MASKS)
def test_a_mask_that_cannot_be_used_is_refused(folder, refused, kind):
    array, words = BAD_MASKS[kind]
    save(array, folder / "mask.png")
    assert words in refused("explain", "photo.png", "mask.png", "-o", "heat.png")


def test_a_picture_of_one_pixel_is_refused(folder, refused):
    save(photograph(1, 1), folder / "photo.png")
    save(np.full((1, 1), 255, np.uint8), folder / "mask.png")
    assert "whole picture" in refused("fill", "photo.png", "mask.png", "-o", "out.png", *FAST)


BAD_OPTIONS: list[tuple[list[str], str]] = [
    (["fill", "-o", "..", *FAST], "is a folder"),
    (["fill", "-o", "out.png", "--backend", "lens-smal"], "did you mean 'lens-small'"),
    (["explain", "-o", "out.png", "--backend", "lens-smal"], "did you mean 'lens-small'"),
    (["compare", "-o", "out.png", "--backends", "telea,tellea"], "did you mean 'telea'"),
    (["compare", "-o", "out.png", "--backends", "telea"], "2 to 6"),
    (["compare", "-o", "out.jpg", "--backends", "telea,navier-stokes"], "end in .png"),
    (["fill", "-o", "out.png", "--backend", "migan"], "inpaint-lens download migan"),
    (["fill", "-o", "out.png", "--device", "cuda", "--backend", "telea"], "runs on the CPU only"),
    (["fill", "-o", "out.png", "--context", "0", "--feather", "0", "--backend", "telea"], "Nothing known is left"),
    (["fill", "-o", "out.png", "--context", "-1"], "--context is -1"),
    (["fill", "-o", "out.png", "--grow", "200"], "grow it less"),
    (["fill", "-o", "out.png", "--target", "36,30,8"], "--target is for explaining"),
    (["fill", "-o", "out.png", "--smooth", "mean"], "--smooth is for explaining"),
    (["fill", "-o", "photo.png"], "exists already"),
    (["fill", "-o", "out.xyz"], "must end in one of"),
    (["fill", "-o", "mask.png/out.png"], "mask.png"),
    (["fill", "-o", "nowhere/out.png"], "does not exist"),
    (["fill", "-o", ".", *FAST], "is a folder"),
    (["fill", "-o", "out.png", "--layers", "out.psd", *FAST], "end in .ora"),
    (["fill", "-o", "out.png", "--exclude", "nothing.png", *FAST], "does not exist"),
    (["fill", "-o", "out.png", "--explain", "--steps", "x", *FAST], "'auto' or a number"),
    (["explain", "-o", "out.png", "--target", "5,5,4", *FAST], "outside of the hole"),
    (["explain", "-o", "out.png", "--target", "5,5", *FAST], "X,Y,SIZE"),
    (["explain", "-o", "out.png", "--target", "35,30,0", *FAST], "X,Y,SIZE"),
    (["explain", "-o", "out.png", "--method", "gradient", *FAST], "no gradients"),
    (["explain", "-o", "out.jpg", *FAST], "end in .png"),
    (["explain", "-o", "out.png", "--json", "out.png", *FAST], "two results"),
    (["explain", "-o", "out.png", "--json", "mask.png", *FAST], "exists already"),
    (["explain", "-o", "out.png", "--save-steps", "mask.png"], "a file where a folder is needed"),
    (["explain", "-o", "out.png", "--tolerance", "0"], "--tolerance is 0"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD_OPTIONS, ids=[" ".join(case[0]) for case in BAD_OPTIONS])
def test_an_option_that_cannot_be_followed_is_refused(refused, arguments, words):
    assert words in refused(arguments[0], "photo.png", "mask.png", *arguments[1:])


def test_weights_with_a_wrong_checksum_are_refused(refused, monkeypatch, tmp_path_factory):
    cache = tmp_path_factory.mktemp("spoiled")
    (cache / "files" / "lama").mkdir(parents=True)
    (cache / "files" / "lama" / "big-lama.pt").write_bytes(b"PK\x03\x04 not what was published")
    monkeypatch.setenv("INPAINT_LENS_CACHE", str(cache))
    sentence = refused("fill", "photo.png", "mask.png", "-o", "out.png", "--backend", "lama")
    assert "are damaged" in sentence
    assert "inpaint-lens download lama" in sentence


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_without_permission_is_refused(folder, refused):
    locked = folder / "locked"
    locked.mkdir(mode=0o500)
    assert "no permission" in refused("fill", "photo.png", "mask.png", "-o", "locked/out.png", *FAST)
    assert "no permission" in refused("demo", "-o", "locked/demo")


@pytest.mark.parametrize("output", ["photo.png", "photo.png/below"])
def test_a_file_where_a_folder_is_expected_is_refused(folder, refused, output):
    (folder / "photos").mkdir()
    save(photograph(), folder / "photos" / "a.png")
    assert "a file where a folder is needed" in refused("fill", "photos", "mask.png", "-o", output, *FAST)
    assert "a file where a folder is needed" in refused("demo", "-o", output)


def test_options_that_are_wrong_for_a_whole_folder_are_refused_once(folder, refused):
    (folder / "photos").mkdir()
    save(photograph(), folder / "photos" / "a.png")
    assert "did you mean 'telea'" in refused("fill", "photos", "mask.png", "-o", "out", "--backend", "teleaa")
    assert "download migan" in refused("fill", "photos", "mask.png", "-o", "out", "--backend", "migan")
    assert "--layers is for one picture" in refused("fill", "photos", "mask.png", "-o", "out", "--layers", "a.ora")
    assert "name one mask" in refused("fill", "photo.png", "photos", "-o", "out.png")


def run(*arguments: str) -> int:
    return main(list(arguments))


def test_fill_writes_the_picture_and_leaves_the_rest_of_it_alone(folder, capsys):
    assert run("fill", "photo.png", "mask.png", "-o", "out.png", "--feather", "0", *FAST) == 0
    filled = read_picture(folder / "out.png").pixels
    known = square() == 0
    assert np.array_equal(filled[known], photograph()[known])
    assert not np.array_equal(filled[~known], photograph()[~known])
    assert "out.png" in capsys.readouterr().out


def test_fill_overwrites_its_input_only_when_asked(folder):
    before = (folder / "photo.png").read_bytes()
    assert run("fill", "photo.png", "mask.png", "-o", "photo.png", *FAST) == 2
    assert (folder / "photo.png").read_bytes() == before
    assert run("fill", "photo.png", "mask.png", "-o", "photo.png", "--overwrite", *FAST) == 0
    assert (folder / "photo.png").read_bytes() != before


def test_fill_with_explain_and_layers_writes_all_of_it(folder, capsys):
    names = ["out.png", "out.heatmap.png", "out.report.json", "out.ora"]
    arguments = ["--explain", "--steps", "9", "--layers", "out.ora", *FAST]
    assert run("fill", "photo.png", "mask.png", "-o", "out.png", *arguments) == 0
    assert all((folder / name).stat().st_size > 100 for name in names)
    assert json.loads((folder / "out.report.json").read_text())["backend"] == "telea"
    told = capsys.readouterr().out
    assert all(name in told for name in names)
    assert set(listing(folder)) == {str(folder / name) for name in [*names, "photo.png", "mask.png"]}


def test_explain_writes_heatmap_report_and_steps(folder, capsys):
    arguments = ["--json", "why.json", "--save-steps", "steps", "--steps", "3", "--target", "36,30,8", "--seed", "1"]
    assert run("explain", "photo.png", "mask.png", "-o", "heat.png", *arguments) == 0
    report = json.loads((folder / "why.json").read_text())
    assert report["explanation"]["method"] == "path-ig"
    assert report["explanation"]["evaluations"] == 3
    assert read_picture(folder / "heat.png").mode == "rgb"
    assert len(list((folder / "steps").glob("*_input.png"))) == 3
    assert report["explanation"]["sentence"] in capsys.readouterr().out


def test_steps_are_not_mixed_with_those_of_an_earlier_run(folder, refused):
    (folder / "steps").mkdir()
    save(photograph(), folder / "steps" / "window0_step000_input.png")
    arguments = ["photo.png", "mask.png", "-o", "heat.png", "--save-steps", "steps", *FAST]
    assert "earlier run" in refused("explain", *arguments)


def test_the_same_command_twice_writes_the_same_bytes(folder):
    for name in ("a", "b"):
        arguments = ["-o", f"{name}.png", "--json", f"{name}.json", "--steps", "6", *FAST]
        assert run("explain", "photo.png", "mask.png", *arguments) == 0
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()
    first, second = (json.loads((folder / f"{name}.json").read_text()) for name in ("a", "b"))
    assert {**first, "seconds": 0} == {**second, "seconds": 0}


def test_compare_puts_several_backends_on_one_sheet(folder, capsys):
    arguments = ["--backends", "telea,navier-stokes", "--steps", "5", "--original", "photo.png"]
    assert run("compare", "photo.png", "mask.png", "-o", "sheet.png", *arguments) == 0
    assert min(read_picture(folder / "sheet.png").size) > 400
    told = capsys.readouterr().out
    assert "telea: " in told
    assert "navier-stokes: " in told


def test_backends_lists_every_one_for_people_and_for_programs(capsys):
    assert run("backends") == 0
    table = capsys.readouterr().out
    assert run("backends", "--json") == 0
    facts = {fact["name"]: fact for fact in json.loads(capsys.readouterr().out)}
    assert facts["lens-small"]["ready"]
    assert not facts["migan"]["ready"]
    assert facts["migan"]["download_mb"] > 20
    assert all(name in table for name in facts)
    assert "inpaint-lens download NAME (" in table


def test_backends_survives_settings_that_cannot_be_used(capsys, monkeypatch):
    monkeypatch.setenv("INPAINT_LENS_WEIGHTS", "migan=/no/such/file.onnx")
    assert run("backends") == 0
    assert "/no/such/file.onnx" in capsys.readouterr().out


def test_download_lists_what_there_is_and_refuses_what_there_is_not(capsys):
    assert run("download", "--list") == 0
    assert "migan" in capsys.readouterr().out
    assert run("download", "migann") == 2
    assert "migan" in capsys.readouterr().err


def test_doctor_says_what_works_and_what_to_do(capsys, monkeypatch):
    monkeypatch.setenv("INPAINT_LENS_WEIGHTS", "migan=/no/such/file.onnx")
    code = run("doctor", "--json")
    findings = {finding["what"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert code == (1 if any(finding["state"] == "bad" for finding in findings.values()) else 0)
    assert {"Python", "PyTorch", "Memory", "Hub", "Backend lens-small", "Backend lama"} <= set(findings)
    assert findings["Hub"]["found"].startswith("offline")
    assert "file.onnx" in findings["Backend migan"]["found"]
    assert all(finding["advice"] for finding in findings.values() if finding["state"] == "bad")


def test_demo_writes_results_and_a_contact_sheet(folder, capsys, monkeypatch):
    from inpaint_lens.plugin import demo

    sample = folder / "kite.jpg"
    save(photograph(), sample)
    save(square(), folder / "kite_mask.png")
    monkeypatch.setattr(demo, "photographs", lambda: [sample])
    assert run("demo", "-o", "out/demo", "--exemplar", "telea") == 0
    names = {path.name for path in (folder / "out" / "demo").iterdir()}
    assert names == {
        "contact_sheet.jpg", "kite.json", "kite.ora", "kite_heatmap.png", "kite_lens-small.jpg", "kite_overlay.png",
        "kite_telea.jpg",
    }  # fmt: skip
    assert "contact_sheet.jpg" in capsys.readouterr().out


def test_the_bundled_photographs_have_masks_of_their_size():
    from inpaint_lens.plugin.demo import photographs

    photos = photographs()
    assert len(photos) >= 3
    for photo in photos:
        with Image.open(photo) as picture, Image.open(photo.with_name(f"{photo.stem}_mask.png")) as mask:
            assert picture.size == mask.size


def test_a_folder_is_done_with_one_bad_picture_reported(folder, capsys):
    (folder / "photos").mkdir()
    (folder / "masks").mkdir()
    for name in ("a.png", "b.png", "c.png", "d.png"):
        save(photograph(), folder / "photos" / name)
        save(square(), folder / "masks" / name)
    (folder / "photos" / "b.png").write_bytes(b"no picture")
    (folder / "masks" / "c.png").unlink()
    assert run("fill", "photos", "masks", "-o", "out", *FAST) == 1
    told = capsys.readouterr().out
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["a.png", "d.png"]
    assert "failed: b.png" in told
    assert "failed: c.png: c.png has no mask" in told
    assert "2 of 4 pictures filled" in told


def test_an_interrupted_folder_says_how_far_it_came(folder, capsys, monkeypatch):
    from inpaint_lens.commands import fill

    def stop_at_b(options, photo, mask, output, *_):
        if photo.stem == "b":
            raise KeyboardInterrupt
        output.touch()
        return []

    (folder / "photos").mkdir()
    for name in ("a.png", "b.png", "c.png"):
        save(photograph(), folder / "photos" / name)
    monkeypatch.setattr(fill, "_fill_one", stop_at_b)
    assert run("fill", "photos", "mask.png", "-o", "out", *FAST) == 130
    assert "1 of 3 pictures filled, in out" in capsys.readouterr().err
    assert [path.name for path in (folder / "out").iterdir()] == ["a.png"]


def test_pictures_of_one_name_and_two_formats_do_not_overwrite_each_other(folder):
    (folder / "photos").mkdir()
    save(photograph(seed=1), folder / "photos" / "a.png")
    save(photograph(seed=2), folder / "photos" / "a.jpg")
    assert run("fill", "photos", "mask.png", "-o", "out", "--explain", "--steps", "4", *FAST) == 0
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        "a.jpg", "a.jpg.heatmap.png", "a.jpg.report.json", "a.png", "a.png.heatmap.png", "a.png.report.json",
    ]  # fmt: skip


def test_what_nobody_expected_is_told_in_a_sentence_and_shown_with_verbose(folder, capsys, monkeypatch):
    from inpaint_lens.plugin import operation

    def burst(*_: object, **__: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(operation, "candidates", burst)
    assert run("fill", "photo.png", "mask.png", "-o", "out.png") == 1
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(RuntimeError, match="boom"):
        run("--verbose", "fill", "photo.png", "mask.png", "-o", "out.png")


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt, 130), (MemoryError, 2)])
def test_an_interrupt_and_a_full_memory_are_told_in_a_sentence(folder, capsys, monkeypatch, error, code):
    from inpaint_lens.plugin import operation

    def stop(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(operation, "candidates", stop)
    assert run("fill", "photo.png", "mask.png", "-o", "out.png") == code
    assert capsys.readouterr().err.count("\n") == 1
    assert not (folder / "out.png").exists()


@pytest.fixture
def interrupts():
    """Ctrl-C works as in a terminal, even where tests run in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_is_not_lost_where_it_cannot_be_raised(folder, monkeypatch, interrupts):
    from inpaint_lens.plugin import operation

    fill_candidates = operation.candidates

    def interrupted(*arguments, **options):
        signal.raise_signal(signal.SIGINT)
        return fill_candidates(*arguments, **options)

    before = listing(folder)
    monkeypatch.setattr(operation, "candidates", interrupted)
    assert run("fill", "photo.png", "mask.png", "-o", "out.png", *FAST) == 130
    assert listing(folder) == before
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_interrupt_stops_at_once(interrupts):
    from inpaint_lens.commands.terminal import progress

    with progress("work") as monitor:
        signal.raise_signal(signal.SIGINT)
        assert monitor.token.cancelled
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def python(*arguments: str, **more) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=120, **more)


@pytest.mark.parametrize("verb", [[], ["fill"], ["explain"], ["download"], ["doctor"]])
def test_help_imports_neither_torch_nor_numpy(verb):
    code = (
        "import sys\nfrom inpaint_lens.cli import main\n"
        f"try: main({[*verb, '--help']!r})\nexcept SystemExit as stop: assert stop.code == 0\n"
        "heavy = {'torch', 'numpy', 'cv2', 'PIL', 'pyvips', 'huggingface_hub', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    assert "usage: inpaint-lens" in done.stdout


def test_the_module_runs_as_a_program(folder):
    done = python("-m", "inpaint_lens", "fill", "photo.png", "absent.png", "-o", "out.png", *FAST, cwd=folder)
    assert done.returncode == 2
    assert done.stderr.startswith("inpaint-lens: ")
    assert done.stderr.count("\n") == 1
    assert not (folder / "out.png").exists()

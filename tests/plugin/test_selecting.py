import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from inpaint_lens.backends.segment import DEVIATION, MEAN, MODELS
from inpaint_lens.commands import select as verb
from inpaint_lens.imaging.errors import Cancelled, InputError, MissingError
from inpaint_lens.imaging.hole import dilate
from inpaint_lens.imaging.monitor import CancelToken, Monitor
from inpaint_lens.imaging.picture import Picture
from inpaint_lens.imaging.reading import read_mask_array
from inpaint_lens.plugin import selecting
from inpaint_lens.plugin.selecting import Frame, Point, select, tidied
from inpaint_lens.weights_registry.catalog import entry
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from torch import Tensor
from transformers.models.sam.configuration_sam import SamConfig
from transformers.models.sam.image_processing_sam import SamImageProcessor
from transformers.models.sam.modeling_sam import SamImageSegmentationOutput, SamModel

SIDE = 64


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No weights of the person who runs the tests, and nothing kept from another test."""
    for name in ("INPAINT_LENS_WEIGHTS", "INPAINT_LENS_WEIGHTS_DIR", "INPAINT_LENS_CATALOG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("INPAINT_LENS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    selecting.forget()
    yield
    selecting.forget()


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A SAM of 64 pixels with random weights, which stands in for `sam-vit-b`."""
    vision = {
        "hidden_size": 24, "output_channels": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": SIDE,
        "patch_size": 16, "window_size": 2, "global_attn_indexes": [1], "num_pos_feats": 16, "mlp_dim": 40,
    }  # fmt: skip
    prompt = {"hidden_size": 32, "image_size": SIDE, "patch_size": 16}
    decoder = {"hidden_size": 32, "mlp_dim": 48, "iou_head_hidden_dim": 28}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = SamModel(SamConfig(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder))
    model.save_pretrained(tmp_path / "sam")
    path = tmp_path / "sam" / "model.safetensors"
    monkeypatch.setenv("INPAINT_LENS_WEIGHTS", f"sam-vit-b={path}")
    return path


class Discs:
    """Stands in for the rest of the network after its encoder: three discs around the first point that is inside.

    Attributes:
        radii: of the discs in pixels of the square.
        scores: of the masks.
        points, labels: what came in last.
        looks: how many squares were looked at.
    """

    def __init__(self) -> None:
        self.radii, self.scores = [6.0, 12.0, 20.0], [0.5, 0.9, 0.7]
        self.points: NDArray[Any] = np.zeros((0, 2))
        self.labels: list[int] = []
        self.looks = 0

    def forward(self, _model: SamModel, **given: Any) -> SamImageSegmentationOutput:
        points: Tensor = given["input_points"]
        self.points, self.labels = points[0, 0].numpy(), given["input_labels"][0, 0].tolist()
        x, y = self.points[self.labels.index(1)]
        rows, columns = np.mgrid[: SIDE // 4, : SIDE // 4] * 4 + 1.5
        away = np.hypot(rows - y, columns - x)
        logits = np.stack([radius - away for radius in self.radii]).astype(np.float32)
        return SamImageSegmentationOutput(
            iou_scores=torch.tensor(self.scores)[None, None], pred_masks=torch.from_numpy(logits)[None, None]
        )


@pytest.fixture
def discs(weights, monkeypatch: pytest.MonkeyPatch) -> Discs:
    """See `Discs`; the encoder is SAM's own."""
    stand_in = Discs()
    look = SamModel.get_image_embeddings

    def counted(model: SamModel, *given: Any, **more: Any) -> Tensor:
        stand_in.looks += 1
        return look(model, *given, **more)

    monkeypatch.setattr(SamModel, "get_image_embeddings", counted)
    monkeypatch.setattr(SamModel, "forward", lambda model, **given: stand_in.forward(model, **given))
    return stand_in


def noise(height: int = 60, width: int = 90, seed: int = 0) -> Picture:
    return Picture.from_array(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def centre(mask: NDArray[np.bool_]) -> tuple[float, float]:
    rows, columns = np.nonzero(mask)
    return float(columns.mean()), float(rows.mean())


@pytest.mark.parametrize("size", [(60, 90), (300, 100), (20, 33)])
def test_pictures_and_masks_go_through_the_square_as_in_transformers(size):
    frame, picture = Frame(size, SIDE), noise(*size).to_srgb8()
    processor = SamImageProcessor(size={"longest_edge": SIDE}, pad_size={"height": SIDE, "width": SIDE})
    inputs = processor(picture, return_tensors="pt")
    mean, deviation = np.array(MEAN), np.array(DEVIATION)
    wanted = inputs["pixel_values"][0].permute(1, 2, 0).numpy() * deviation + mean
    np.testing.assert_allclose(frame.image(picture), wanted, atol=1.01)  # its resampling rounds to whole values
    low = torch.randn(1, 1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    sizes = inputs["original_sizes"], inputs["reshaped_input_sizes"]
    masks = processor.post_process_masks(low, *sizes, binarize=False, pad_size={"height": SIDE, "width": SIDE})
    np.testing.assert_allclose(frame.logits(low[0, 0, 0].numpy()), masks[0][0, 0].numpy(), atol=1e-4)


@given(st.integers(1, 200), st.integers(1, 200), st.booleans(), st.data())
@settings(deadline=None)
def test_a_point_lies_at_the_same_share_of_the_picture_in_the_square(height, width, stretched, data):
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    frame = Frame((height, width), SIDE, stretched)
    found = frame.points(np.array([[x, y]], np.float64))[0]
    shares = (found + 0.5) / np.array(frame.scaled[::-1])
    np.testing.assert_allclose(shares, [(x + 0.5) / width, (y + 0.5) / height], atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(60, 90), (300, 100), (20, 33), (64, 64)])
def test_points_of_a_picture_that_is_not_square_reach_the_network_in_its_own_pixels(discs, height, width):
    select(noise(height, width), [Point(10, 15), Point(width - 1, 5, inside=False)])
    scale = SIDE / max(height, width)
    wanted = [[10.5 * scale - 0.5, 15.5 * scale - 0.5], [(width - 0.5) * scale - 0.5, 5.5 * scale - 0.5]]
    np.testing.assert_allclose(discs.points, wanted, atol=0.5)  # the scaled height or width is a whole number
    assert discs.labels == [1, 0]


@pytest.mark.parametrize(("height", "width", "x", "y"), [(90, 240, 150, 40), (240, 90, 40, 150)])
def test_the_mask_lies_where_the_click_was_at_the_size_of_the_picture(discs, height, width, x, y):
    discs.radii, discs.scores = [8.0], [0.8]
    found = select(noise(height, width), [Point(x, y)], grow_px=0)
    assert found.mask.shape == (height, width)
    assert centre(found.mask) == pytest.approx((x, y), abs=1.0)
    assert np.count_nonzero(found.mask) == pytest.approx(np.pi * (8 * 240 / SIDE) ** 2, rel=0.05)


def test_the_mask_with_the_best_score_is_taken_and_the_others_are_alternatives(discs):
    found = select(noise(), [Point(45, 30)], grow_px=0)
    assert found.score == pytest.approx(0.9)
    assert [other.score for other in found.alternatives] == pytest.approx([0.7, 0.5])
    small, middle, large = (np.count_nonzero(one.mask) for one in (found.alternatives[1], found, found.alternatives[0]))
    assert small < middle < large
    assert found.model == "sam-vit-b"


def test_a_mask_that_agrees_with_every_point_beats_one_with_a_better_score(discs):
    found = select(noise(), [Point(45, 30), Point(58, 30, inside=False)], grow_px=0)
    assert found.score == pytest.approx(0.5)
    assert not found.mask[30, 58]
    assert select(noise(), [Point(45, 30), Point(68, 30)], grow_px=0).score == pytest.approx(0.7)


def test_a_second_click_on_the_same_picture_does_not_look_at_it_again(discs):
    first, second = noise(), noise()
    assert first is not second
    select(first, [Point(45, 30)])
    select(second, [Point(20, 30), Point(22, 33)])
    assert discs.looks == 1


def test_another_picture_is_looked_at_and_so_is_the_first_one_after_it(discs):
    changed = noise().to_array()
    changed[7, 7, 1] ^= 1
    for picture in (noise(), Picture.from_array(changed), noise()):
        select(picture, [Point(45, 30)])
    assert discs.looks == 3


def test_other_weights_in_the_place_of_the_first_are_read_and_look_anew(discs, weights):
    select(noise(), [Point(45, 30)])
    data = weights.read_bytes()
    weights.unlink()
    weights.write_bytes(data)
    os.utime(weights, ns=(1, 1))
    select(noise(), [Point(45, 30)])
    assert discs.looks == 2


def test_a_mask_is_grown_by_as_many_pixels_as_asked_for(discs):
    found = {px: select(noise(), [Point(45, 30)], grow_px=px).mask for px in (0, 5)}
    np.testing.assert_array_equal(found[5], dilate(found[0], 5))


def test_a_mask_is_grown_by_a_pixel_of_the_networks_masks_where_nothing_is_said_and_by_three_at_least(discs):
    for size, px in (((20, 33), 3), ((60, 90), 6), ((200, 320), 20)):
        point = [Point(size[1] // 2, size[0] // 2)]
        discs.radii = [3.0, 4.0, 5.0]
        exact = select(noise(*size), point, grow_px=0).mask
        np.testing.assert_array_equal(select(noise(*size), point).mask, dilate(exact, px))


def blobs(height: int = 120, width: int = 120) -> NDArray[np.bool_]:
    """A large square with a pinhole and a window in it, a speck and an island beside it."""
    mask = np.zeros((height, width), bool)
    mask[20:80, 20:80] = True
    mask[30:32, 30:32] = mask[50:62, 50:62] = False
    mask[100:102, 100:102] = mask[90:100, 20:30] = True
    return mask


def test_specks_are_taken_off_and_pinholes_closed_while_islands_and_windows_stay():
    tidy, mask = tidied(blobs()), blobs()
    wanted = mask.copy()
    wanted[30:32, 30:32], wanted[100:102, 100:102] = True, False
    np.testing.assert_array_equal(tidy, wanted)


def test_a_speck_and_a_pinhole_that_somebody_clicked_on_stay():
    np.testing.assert_array_equal(tidied(blobs(), [Point(101, 101), Point(31, 31, inside=False)]), blobs())


def without_small(mask: NDArray[np.bool_], least: float, structure: NDArray[np.int_]) -> NDArray[np.bool_]:
    """The connected parts of `least` pixels and more, by SciPy."""
    found: Any = ndimage.label(mask, structure)
    labels, count = found
    areas = ndimage.sum_labels(mask, labels, range(1, count + 1))
    return np.isin(labels, 1 + np.flatnonzero(np.asarray(areas) >= least))


@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(2, 40), st.floats(0.1, 0.9))
@settings(max_examples=50, deadline=None)
def test_tidying_is_what_scipys_labels_make_of_it(seed, height, width, share):
    mask = np.random.default_rng(seed).random((height, width)) < share
    mask = np.kron(mask, np.ones((2, 2), bool))
    least = 0.01 * np.count_nonzero(mask)
    islands = without_small(mask, least, np.ones((3, 3), int))
    around = np.pad(~islands, 20, constant_values=True)  # so wide that what lies around is never small
    holes = without_small(around, least, ndimage.generate_binary_structure(2, 1))
    np.testing.assert_array_equal(tidied(mask), ~holes[20:-20, 20:-20])


def test_a_missing_package_is_told_with_the_command_that_installs_it(weights, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(selecting, "find_spec", lambda name: None)
    with pytest.raises(MissingError, match=r"^To select by click, sam-vit-b needs a package: pip install '[^']+'\.$"):
        select(noise(), [Point(3, 4)])


def test_without_weights_the_sentence_says_what_to_fetch_its_size_and_licence():
    with pytest.raises(MissingError) as told:
        select(noise(), [Point(3, 4)])
    assert str(told.value) == (
        "To select by click, slimsam needs weights: inpaint-lens download slimsam-encoder slimsam-decoder "
        "(14 MB, licence Apache-2.0)."
    )


def test_a_model_that_is_asked_for_is_named_when_it_is_not_ready(discs):
    with pytest.raises(MissingError, match=r"sam2-tiny needs weights: inpaint-lens download sam2-tiny"):
        select(noise(), [Point(3, 4)], "sam2-tiny")


def test_a_model_that_does_not_exist_is_answered_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'slimsam'"):
        select(noise(), [Point(3, 4)], "slim-sam")


@pytest.mark.parametrize("point", [Point(90, 5), Point(5, 60), Point(-1, 5)])
def test_a_point_outside_of_the_picture_is_told_before_anything_is_loaded(point):
    with pytest.raises(InputError, match=rf"{point.x},{point.y} lies outside of the picture, which is 90 x 60 pixels"):
        select(noise(), [Point(1, 1), point])


@pytest.mark.parametrize("points", [[], [Point(3, 4, inside=False)]])
def test_at_least_one_point_has_to_lie_inside(points):
    with pytest.raises(InputError, match="click on the thing first"):
        select(noise(), points)


@pytest.mark.parametrize("radius", [-1.0, 1000.0])
def test_nothing_at_the_point_or_nothing_but_the_whole_picture_is_an_error(discs, radius):
    discs.radii = [radius] * 3
    with pytest.raises(InputError, match="Nothing that stands out was found"):
        select(noise(), [Point(45, 30)])


@pytest.mark.parametrize("grow_px", [-1, 5000])
def test_growing_by_too_much_or_less_than_nothing_is_refused(grow_px):
    with pytest.raises(InputError, match="--grow"):
        select(noise(), [Point(45, 30)], grow_px=grow_px)


@pytest.mark.parametrize("text", ["5", "5,x", "-1,4", "1,2,3", "", "1.5,2"])
def test_text_that_is_no_point_is_refused(text):
    with pytest.raises(InputError, match="is no point"):
        Point.parse(text)


def test_the_list_of_models_tells_which_are_ready_and_how_to_get_the_others(weights):
    models = {model.name: model for model in selecting.models()}
    assert list(models) == ["sam2-tiny", "sam-vit-b", "mobile-sam", "slimsam"]
    assert [name for name, model in models.items() if model.ready] == ["sam-vit-b"]
    assert (models["slimsam"].size, models["slimsam"].licence) == ("14 MB", "Apache-2.0")
    assert models["slimsam"].reason == "needs weights: inpaint-lens download slimsam-encoder slimsam-decoder"


def test_every_model_takes_entries_of_the_catalog_that_are_for_selecting():
    purposes = {name: entry(name).purpose for info in MODELS for name in info.weights}
    assert set(purposes.values()) == {"segment"}


def test_progress_grows_to_its_end_and_cancelling_stops(discs):
    shares: list[float] = []
    select(noise(), [Point(45, 30)], monitor=Monitor(lambda _stage, share: shares.append(share)))
    assert shares == sorted(shares)
    assert shares[-1] == 1
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        select(noise(seed=1), [Point(45, 30)], monitor=Monitor(token=token))


def run(*arguments: str | Path) -> int:
    parser = argparse.ArgumentParser()
    verb.add_arguments(parser)
    return verb.run(parser.parse_args([str(argument) for argument in arguments]))


def test_the_command_writes_a_mask_that_is_white_where_the_thing_is(discs, tmp_path, capsys):
    Image.fromarray(noise().to_array()).save(tmp_path / "photo.png")
    place = tmp_path / "mask.png"
    assert run(tmp_path / "photo.png", "45,30", "--not", "58,30", "-o", place, "--grow", "0") == 0
    wanted = select(noise(), [Point(45, 30), Point(58, 30, inside=False)], grow_px=0).mask
    np.testing.assert_array_equal(read_mask_array(place), np.where(wanted, 255, 0))
    assert "sam-vit-b, score 0.50" in capsys.readouterr().out


def test_the_command_leaves_a_file_alone_that_exists(discs, tmp_path):
    Image.fromarray(noise().to_array()).save(tmp_path / "photo.png")
    (tmp_path / "mask.png").write_bytes(b"mine")
    with pytest.raises(InputError, match="exists already"):
        run(tmp_path / "photo.png", "45,30", "-o", tmp_path / "mask.png")
    assert (tmp_path / "mask.png").read_bytes() == b"mine"

import cv2
import numpy as np
import pytest
import torch
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.training.config import DataSettings, HoleSettings
from inpaint_lens.training.pictures import (
    Decoded,
    FixedCrops,
    RandomCrops,
    find_pictures,
    is_held_out,
    read_rgb,
    split_by_picture,
)


def crops(files, side=16, seed=0, **settings):
    data = DataSettings(files[0].parent, side=side, **settings)
    return RandomCrops(Decoded(files, data.short_side, data.cache), data, HoleSettings(), seed)


@pytest.fixture
def many(tmp_path):
    for name in range(40):
        for crop in range(3):
            cv2.imwrite(str(tmp_path / f"pic{name}__{crop:02d}.png"), np.full((8, 8, 3), name * 5, np.uint8))
    (tmp_path / "SOURCES.tsv").write_text("no picture")
    return tmp_path


def test_crops_of_one_picture_stay_on_one_side_of_the_split(many):
    train, held_out = split_by_picture(many, 0.2)
    assert len(train) + len(held_out) == 120
    assert 0 < len(held_out) < 60
    assert not {p.stem[:-4] for p in train} & {p.stem[:-4] for p in held_out}


def test_a_picture_stays_on_its_side_when_others_are_added(many):
    before = {path.name for path in split_by_picture(many, 0.2)[1]}
    cv2.imwrite(str(many / "aaa.png"), np.zeros((8, 8, 3), np.uint8))
    assert before == {path.name for path in split_by_picture(many, 0.2)[1]} - {"aaa.png"}


def test_a_larger_share_holds_out_the_same_pictures_and_more(many):
    few, more = (set(split_by_picture(many, share)[1]) for share in (0.1, 0.3))
    assert few < more


def test_the_share_of_held_out_names_is_as_asked(tmp_path):
    assert np.mean([is_held_out(tmp_path / f"{n}.png", 0.3) for n in range(2000)]) == pytest.approx(0.3, abs=0.04)


def test_folders_within_the_folder_are_searched(folder):
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "picture0.png").rename(folder / "deep" / "er" / "picture0.PNG")
    found = find_pictures(DataSettings(folder, side=16))
    assert len(found.train) + len(found.validation) == 8


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(InputError, match=r"\[data\] folder: .* has no pictures"):
        find_pictures(DataSettings(tmp_path))


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(InputError, match=r"\[data\] folder: there is no folder"):
        find_pictures(DataSettings(tmp_path / "none"))


def test_pictures_that_are_all_too_small_are_told(folder):
    with pytest.raises(InputError, match=r"none of the 8 pictures .* 8 have a side below 64"):
        find_pictures(DataSettings(folder, side=64))


def test_broken_and_small_pictures_are_left_out_and_counted(folder):
    (folder / "bad.png").write_text("no picture")
    cv2.imwrite(str(folder / "small.png"), np.zeros((9, 50, 3), np.uint8))
    found = find_pictures(DataSettings(folder, side=16))
    assert [path.name for path in found.broken] == ["bad.png"]
    assert [path.name for path in found.small] == ["small.png"]
    assert "1 cannot be read, 1 are too small" in found.summary


def test_colours_come_as_red_green_blue(tmp_path):
    cv2.imwrite(str(tmp_path / "red.png"), np.full((4, 4, 3), (0, 0, 200), np.uint8))
    assert read_rgb(tmp_path / "red.png")[0, 0].tolist() == [200, 0, 0]


@pytest.mark.parametrize("content", [b"", b"no"])
def test_a_file_that_is_no_picture_is_named(tmp_path, content):
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.png"):
        read_rgb(tmp_path / "bad.png")


def test_samples_are_bytes_and_bools_of_the_size_asked_for(folder):
    sample = crops(sorted(folder.iterdir()))[3]
    assert sample["image"].shape == (3, 16, 16) and sample["image"].dtype == torch.uint8
    assert sample["hole"].shape == (1, 16, 16) and sample["hole"].dtype == torch.bool


def test_a_sample_depends_on_the_seed_and_its_number_alone(folder):
    files = sorted(folder.iterdir())
    in_order = crops(files)
    wanted = [in_order[i] for i in range(20)][17]
    alone = crops(files)[17]
    assert all(torch.equal(wanted[name], alone[name]) for name in wanted)
    other = crops(files, seed=1)[17]
    assert not torch.equal(alone["image"], other["image"])


def test_an_epoch_goes_through_all_pictures_in_another_order(folder):
    dataset = crops(sorted(folder.iterdir()), crops=2)
    first, second = ([dataset.picture_of(i) for i in range(start, start + 16)] for start in (0, 16))
    assert sorted(first) == sorted(second) == sorted([*range(8)] * 2)
    assert first != second


def test_a_picture_cut_short_is_replaced_and_marked(folder):
    files = sorted(folder.iterdir())
    files[2].write_bytes(files[2].read_bytes()[:200])
    dataset = crops(files)
    samples = [dataset[i] for i in range(8)]
    assert dataset.broken.nonzero().flatten().tolist() == [2]
    assert len(samples) == 8
    again = crops(files)
    assert all(torch.equal(samples[i]["image"], again[i]["image"]) for i in range(8))


def test_a_crop_is_part_of_its_picture_where_nothing_is_scaled(folder):
    files = sorted(folder.iterdir())
    dataset = crops(files, scale=(1.0, 1.0), flips=False)
    crop = dataset[0]["image"].permute(1, 2, 0).numpy()
    picture = read_rgb(files[dataset.picture_of(0)])
    windows = np.lib.stride_tricks.sliding_window_view(picture, (16, 16, 3))[:, :, 0]
    assert (windows == crop).all((2, 3, 4)).any()


def test_half_of_the_crops_are_mirrored(tmp_path):
    ramp = np.repeat(np.arange(0, 240, 6, dtype=np.uint8)[None, :, None], 40, 0).repeat(3, 2)
    cv2.imwrite(str(tmp_path / "ramp.png"), ramp)
    dataset = crops([tmp_path / "ramp.png"])
    rising = [bool(dataset[i]["image"][0, 0, -1] > dataset[i]["image"][0, 0, 0]) for i in range(60)]
    assert 0.3 < np.mean(rising) < 0.7


def test_pictures_smaller_than_the_crop_are_enlarged(tmp_path):
    cv2.imwrite(str(tmp_path / "small.png"), np.full((20, 24, 3), 90, np.uint8))
    assert crops([tmp_path / "small.png"], side=32)[0]["image"].shape == (3, 32, 32)


def test_large_pictures_are_scaled_down_to_the_short_side(folder):
    assert Decoded(sorted(folder.iterdir()), short_side=20)[0].shape == (20, 26, 3)


def test_the_cache_gives_the_same_pixels_without_decoding_again(folder, tmp_path, monkeypatch):
    files = sorted(folder.iterdir())
    plain = crops(files, short_side=32)[5]["image"]
    cached = crops(files, short_side=32, cache=tmp_path / "cache")
    assert torch.equal(cached[5]["image"], plain)
    monkeypatch.setattr("inpaint_lens.training.pictures.read_rgb", lambda path: pytest.fail("decoded again"))
    assert torch.equal(cached[5]["image"], plain)


def test_a_changed_picture_is_decoded_anew(folder, tmp_path):
    file = sorted(folder.iterdir())[0]
    pictures = Decoded([file], cache=tmp_path / "cache")
    before = np.array(pictures[0])
    cv2.imwrite(str(file), 255 - before)
    assert not np.array_equal(before, pictures[0])


def test_a_cache_that_cannot_be_written_costs_nothing_but_speed(folder, tmp_path, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    files = sorted(folder.iterdir())
    assert np.array_equal(Decoded(files, cache=tmp_path / "cache")[1], read_rgb(files[1]))


def test_held_out_crops_show_the_whole_square_in_the_middle(folder):
    files = sorted(folder.iterdir())
    fixed = FixedCrops(Decoded(files), DataSettings(folder, side=40), HoleSettings(), 0)
    picture = read_rgb(files[fixed.picture_of(1)])
    assert np.array_equal(fixed[1]["image"].permute(1, 2, 0).numpy(), picture[:, 6:46])
    assert sorted(fixed.picture_of(i) for i in range(8)) == [*range(8)]

import cv2
import numpy as np
import pytest
from inpaint_lens.training.pictures import RandomCrops, read_rgb, split_by_picture


@pytest.fixture
def folder(tmp_path):
    for name in range(20):
        for crop in range(3):
            cv2.imwrite(str(tmp_path / f"pic{name}__{crop:02d}.png"), np.full((8, 8, 3), name * 10, np.uint8))
    (tmp_path / "SOURCES.tsv").write_text("no picture")
    return tmp_path


def test_crops_of_one_picture_stay_on_one_side_of_the_split(folder):
    train, held_out = split_by_picture(folder)
    assert len(train) + len(held_out) == 60
    assert len(held_out) == 6
    assert not {p.stem[:-4] for p in train} & {p.stem[:-4] for p in held_out}


def test_the_split_is_always_the_same(folder):
    assert split_by_picture(folder) == split_by_picture(folder)


def test_colours_come_as_red_green_blue(tmp_path):
    cv2.imwrite(str(tmp_path / "red.png"), np.full((4, 4, 3), (0, 0, 200), np.uint8))
    assert read_rgb(tmp_path / "red.png")[0, 0].tolist() == [200, 0, 0]


def test_a_file_that_is_no_picture_is_named(tmp_path):
    (tmp_path / "bad.png").write_text("no")
    with pytest.raises(ValueError, match=r"bad\.png"):
        read_rgb(tmp_path / "bad.png")


def test_crops_are_in_range_and_repeatable():
    pictures = [np.random.default_rng(i).integers(0, 256, (50, 70, 3), dtype=np.uint8) for i in range(3)]
    first, again = (next(iter(RandomCrops(pictures, 32, 5))) for _ in range(2))
    assert (first[0] == again[0]).all()
    assert (first[1] == again[1]).all()
    assert first[0].shape == (3, 32, 32)
    assert 0 <= first[0].min() <= first[0].max() <= 1
    assert set(first[1].unique().tolist()) <= {0.0, 1.0}


def test_pictures_smaller_than_the_crop_are_enlarged():
    image, _ = next(iter(RandomCrops([np.full((20, 24, 3), 90, np.uint8)], 32, 0)))
    assert image.shape == (3, 32, 32)

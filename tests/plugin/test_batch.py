import pytest
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.plugin.batch import pairs


def make(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def found(photos, masks):
    return {photo.name: mask and mask.name for photo, mask in pairs(photos, masks)}


def test_masks_are_found_by_name_in_any_format(folder):
    photos = make(folder / "photos", "a.jpg", "b.PNG", "c.tif", "notes.txt", ".hidden.png")
    masks = make(folder / "masks", "a.png", "b_mask.webp")
    assert found(photos, masks) == {"a.jpg": "a.png", "b.PNG": "b_mask.webp", "c.tif": None}


def test_pictures_and_masks_may_share_a_folder(folder):
    both = make(folder / "both", "a.jpg", "a_mask.png", "b.png")
    assert found(both, both) == {"a.jpg": "a_mask.png", "b.png": None}


def test_pictures_that_differ_in_their_suffix_only_may_have_masks_of_their_own(folder):
    photos = make(folder / "photos", "a.jpg", "a.png", "a.webp", "a.tif")
    masks = make(folder / "masks", "a.jpg.png", "a.png", "a.webp_mask.png")
    assert found(photos, masks) == {
        "a.jpg": "a.jpg.png",
        "a.png": "a.png",
        "a.webp": "a.webp_mask.png",
        "a.tif": "a.png",
    }


def test_one_mask_serves_for_all(folder):
    photos = make(folder / "photos", "a.jpg", "b.jpg")
    mask = make(folder / "masks", "m.png") / "m.png"
    assert found(photos, mask) == {"a.jpg": "m.png", "b.jpg": "m.png"}


def test_missing_masks_and_empty_folders_are_refused(folder):
    with pytest.raises(InputError, match="does not exist"):
        pairs(make(folder / "photos", "a.jpg"), folder / "nowhere")
    with pytest.raises(InputError, match="no picture"):
        pairs(make(folder / "empty", "notes.txt"), folder)

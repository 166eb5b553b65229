"""Which mask belongs to which picture of a folder."""

from __future__ import annotations

from pathlib import Path

from ..imaging.errors import InputError

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"}


def pairs(folder: Path, masks: Path) -> list[tuple[Path, Path | None]]:
    """Pictures of `folder` with their masks, sorted by name.

    A mask is found by name in the folder `masks`: `NAME_mask.*`, else the picture's own file name, else `NAME.*`; for
    pictures that differ only in their suffix also `NAME.jpg_mask.*` or `NAME.jpg.*`. A single file `masks` is used for
    all. Where both folders are one, files named `*_mask.*` are masks only. Hidden files are left alone.

    Raises:
        InputError: no such folder, no permission to look into it, or no picture in it.
    """
    if not masks.exists():
        raise InputError(f"{masks} does not exist: name the folder of the masks, or one mask for all pictures.")
    pictures = [path for path in _listing(folder) if not path.stem.endswith("_mask")]
    if not pictures:
        raise InputError(f"There is no picture (PNG, JPEG, WebP, TIFF) in {folder}.")
    if not masks.is_dir():
        return [(picture, masks) for picture in pictures]
    found = _listing(masks)
    same = masks.resolve() == folder.resolve()
    by_name = {} if same else {path.name: path for path in found}
    by_stem = {path.stem: path for path in found if not same or path.stem.endswith("_mask")}
    return [(picture, _mask_of(picture, by_name, by_stem)) for picture in pictures]


def _mask_of(picture: Path, by_name: dict[str, Path], by_stem: dict[str, Path]) -> Path | None:
    stems = (f"{picture.name}_mask", picture.name, f"{picture.stem}_mask")
    near = next((by_stem[stem] for stem in stems if stem in by_stem), None)
    return near or by_name.get(picture.name) or by_stem.get(picture.stem)


def _listing(folder: Path) -> list[Path]:
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be read ({error.strerror}): check its permissions.") from error
    return [path for path in files if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")]

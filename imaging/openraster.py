"""Layered files: OpenRaster (`.ora`), which GIMP, Krita, MyPaint and others open.

A zip archive with `mimetype` first and uncompressed, `stack.xml`, a PNG for each layer, the merged picture and a
thumbnail (OpenRaster 0.0.6, https://www.openraster.org).
"""

from __future__ import annotations

import logging
import os
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .errors import InputError
from .layers import Layer, flatten, opaque
from .reading import DEFAULT_LIMITS, Limits, decode_picture
from .writing import encode_png, write_atomically

logger = logging.getLogger(__name__)

_MIMETYPE = b"image/openraster"
_VERSION = "0.0.6"
_THUMBNAIL_SIDE = 256
_LONGEST_STACK = 4 * 1024**2
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time of every entry, so that the same layers give the same bytes."""

_OPERATORS = {
    "normal": "svg:src-over", "multiply": "svg:multiply", "screen": "svg:screen", "overlay": "svg:overlay",
    "darken": "svg:darken", "lighten": "svg:lighten", "difference": "svg:difference",
}  # fmt: skip
_MODES = {operator: mode for mode, operator in _OPERATORS.items()}


@dataclass(frozen=True, eq=False)
class LayeredFile:
    """What an OpenRaster file holds.

    Attributes:
        size: height and width in pixels.
        layers: in the order of painting: the first is the lowest. Hidden layers are left out.
        merged: the merged picture of the file, RGBA uint8 `[H, W, 4]`.
    """

    size: tuple[int, int]
    layers: tuple[Layer, ...]
    merged: NDArray[np.uint8]


def write_ora(
    path: str | os.PathLike[str],
    size: tuple[int, int],
    layers: Sequence[Layer],
    *,
    base: NDArray[np.uint8] | None = None,
    base_name: str = "Picture",
    overwrite: bool = False,
) -> None:
    """Write a layered file.

    Args:
        path: name ending in `.ora`.
        size: height and width in pixels.
        layers: in the order of painting: the first is the lowest.
        base: the picture itself as the lowest layer, sRGB uint8 `[H, W, 3]` or RGBA `[H, W, 4]`.
        base_name: name of that layer.
        overwrite: replace an existing file.

    Raises:
        InputError: another suffix, no layers, a base of another size, or the file cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() != ".ora":
        raise InputError(f"'{target.name}' is to be an OpenRaster file; let its name end in .ora.")
    bottom = [] if base is None else [Layer(base_name, opaque(base))]
    stack = [*bottom, *layers]
    if not stack:
        raise InputError("A layered file needs at least one layer; pass a base or layers.")
    merged = flatten(layers, size, base)
    write_atomically(target, lambda temporary: _write_archive(temporary, size, stack, merged), overwrite=overwrite)


def _write_archive(path: Path, size: tuple[int, int], stack: Sequence[Layer], merged: NDArray[np.uint8]) -> None:
    with path.open("wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, "mimetype", _MIMETYPE)
        _add(archive, "stack.xml", _stack_xml(size, stack), zipfile.ZIP_DEFLATED)
        for index, layer in enumerate(stack):
            _add(archive, _source(index), encode_png(layer.pixels))
        _add(archive, "mergedimage.png", encode_png(merged))
        _add(archive, "Thumbnails/thumbnail.png", encode_png(_thumbnail(merged)))


def _add(archive: zipfile.ZipFile, name: str, data: bytes, compression: int = zipfile.ZIP_STORED) -> None:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type = compression
    info.external_attr = 0o644 << 16
    archive.writestr(info, data)


def _source(index: int) -> str:
    return f"data/layer{index:03d}.png"


def _stack_xml(size: tuple[int, int], stack: Sequence[Layer]) -> bytes:
    root = ElementTree.Element("image", version=_VERSION, w=str(size[1]), h=str(size[0]))
    parent = ElementTree.SubElement(root, "stack")
    for index, layer in reversed(list(enumerate(stack))):
        attributes = {
            "name": "".join(letter for letter in layer.name if letter.isprintable()),
            "src": _source(index),
            "x": str(layer.offset[1]),
            "y": str(layer.offset[0]),
            "opacity": f"{layer.opacity:.6g}",
            "visibility": "visible",
            "composite-op": _OPERATORS[layer.blend_mode],
        }
        ElementTree.SubElement(parent, "layer", attributes)
    return ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _thumbnail(merged: NDArray[np.uint8]) -> NDArray[np.uint8]:
    image = Image.fromarray(merged)
    image.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))
    return np.asarray(image)


def read_ora(path: str | os.PathLike[str], limits: Limits = DEFAULT_LIMITS) -> LayeredFile:
    """Read a layered file; groups are taken apart into their layers.

    Raises:
        InputError: not an OpenRaster file, damaged, too large, or one that names files outside of itself.
    """
    name = Path(path).name
    try:
        with Path(path).open("rb") as file, zipfile.ZipFile(file) as archive:
            return _read_archive(archive, name, limits)
    except (zipfile.BadZipFile, KeyError, ElementTree.ParseError, ValueError, NotImplementedError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"'{name}' is not an OpenRaster file or is damaged; save it again.") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"'{path}' cannot be read ({reason}); check the path.") from error


def _read_archive(archive: zipfile.ZipFile, name: str, limits: Limits) -> LayeredFile:
    if _entry(archive, "mimetype", name, 1024).strip() != _MIMETYPE:
        raise InputError(f"'{name}' is not an OpenRaster file; pass a file saved as .ora.")
    xml = _entry(archive, "stack.xml", name, _LONGEST_STACK)
    if b"<!DOCTYPE" in xml or b"<!ENTITY" in xml:
        raise InputError(f"'{name}' defines XML entities, which OpenRaster does not; it is not opened.")
    root = ElementTree.fromstring(xml)
    size = int(root.attrib["h"]), int(root.attrib["w"])
    if size[0] * size[1] > limits.max_pixels:
        raise InputError(
            f"'{name}' is larger than the limit of {limits.max_pixels / 1e6:g} megapixels; make it smaller."
        )
    layers = [layer for node, shift in _nodes(root) if (layer := _layer(archive, node, shift, name, limits))]
    merged = _rgba(archive, "mergedimage.png", name, limits)
    return LayeredFile(size, tuple(reversed(layers)), merged)


def _nodes(root: ElementTree.Element) -> Iterator[tuple[ElementTree.Element, tuple[int, int]]]:
    """Layers from the top of the stack down, each with the top and left that its groups add."""
    pending = [(child, (0, 0)) for child in root]
    while pending:
        node, (top, left) = pending.pop(0)
        if node.tag == "stack":
            shift = top + int(node.get("y", "0")), left + int(node.get("x", "0"))
            pending[:0] = [(child, shift) for child in node]
        elif node.tag == "layer":
            yield node, (top, left)


def _layer(
    archive: zipfile.ZipFile, node: ElementTree.Element, shift: tuple[int, int], name: str, limits: Limits
) -> Layer | None:
    if node.get("visibility", "visible") == "hidden":
        return None
    operator = node.get("composite-op", "svg:src-over")
    if operator not in _MODES:
        logger.warning("'%s' blends a layer with %s, which is read as normal.", name, operator)
    return Layer(
        name=node.get("name", ""),
        pixels=_rgba(archive, node.attrib["src"], name, limits),
        offset=(shift[0] + int(node.get("y", "0")), shift[1] + int(node.get("x", "0"))),
        opacity=float(node.get("opacity", "1")),
        blend_mode=_MODES.get(operator, "normal"),
    )


def _rgba(archive: zipfile.ZipFile, source: str, name: str, limits: Limits) -> NDArray[np.uint8]:
    picture = decode_picture(_entry(archive, source, name, limits.max_bytes), f"{name}/{source}", limits)
    rgb = opaque(picture.to_srgb8())
    if picture.alpha is not None:
        rgb[..., 3] = np.rint(picture.alpha.astype(np.float32) * (255 / picture.full_scale))
    return rgb


def _entry(archive: zipfile.ZipFile, source: str, name: str, limit: int) -> bytes:
    place = PurePosixPath(source)
    if place.is_absolute() or ".." in place.parts or "\\" in source or ":" in source:
        raise InputError(f"'{name}' names '{source}', a file outside of itself; it is not opened.")
    with archive.open(source) as stream:
        return _at_most(stream, limit, name)


def _at_most(stream: IO[bytes], limit: int, name: str) -> bytes:
    # The size that the archive states may lie, therefore the bytes that come are counted.
    data = stream.read(limit + 1)
    if len(data) > limit:
        raise InputError(f"'{name}' unpacks to more than {limit / 1e6:.0f} MB; it is not opened.")
    return data

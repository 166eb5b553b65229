"""What stands beside the pixels in a file: EXIF and XMP, made true again after the pixels were changed."""

from __future__ import annotations

import io
import logging
import re
import struct
import zlib

from PIL import Image, TiffImagePlugin

_PREFIX = b"Exif\x00\x00"
_ORIENTATION = 0x0112
_THUMBNAIL_START, _THUMBNAIL_LENGTH = 0x0201, 0x0202
_EXIF_FOLDER, _GPS_FOLDER = 0x8769, 0x8825
_NEW_SUBFILE_TYPE, _DNG_VERSION = 0x00FE, 0xC612
_ORDERS = {b"II*\x00": "<", b"MM\x00*": ">"}
_TEXT_TAGS = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)
"""Description, maker, model, software, date, artist, copyright: the tags of a TIFF that EXIF knows too."""

logger = logging.getLogger(__name__)


def clean_exif(exif: bytes) -> bytes | None:
    """EXIF whose orientation is 1 and that has no thumbnail; everything else keeps its bytes and its place.

    The thumbnail goes because it shows the picture as it was: what the user had removed would still be in it.
    Maker notes hold absolute offsets, therefore values are changed in place and nothing is moved.

    Returns:
        The TIFF structure without the `Exif` prefix, or None if it is damaged.
    """
    data = bytearray(exif.removeprefix(_PREFIX))
    order = _ORDERS.get(bytes(data[:4]))
    try:
        if order is None:
            raise struct.error("no TIFF header")
        entries, link = _folder(data, order, struct.unpack_from(order + "I", data, 4)[0])
        if _ORIENTATION in entries:
            place, kind = entries[_ORIENTATION]
            struct.pack_into(order + ("I" if kind == 4 else "H"), data, place, 1)
        _drop_thumbnail(data, order, link)
    except struct.error:
        logger.warning("The EXIF data is damaged and is left out.")
        return None
    return bytes(data)


def _folder(data: bytes | bytearray, order: str, start: int) -> tuple[dict[int, tuple[int, int]], int]:
    """Tags of one image file directory, each with the place of its value and its type, and the place of the link."""
    (count,) = struct.unpack_from(order + "H", data, start)
    entries: dict[int, tuple[int, int]] = {}
    for place in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(order + "HH", data, place)
        entries[tag] = (place + 8, kind)
    return entries, start + 2 + 12 * count


def _drop_thumbnail(data: bytearray, order: str, link: int) -> None:
    if link + 4 > len(data):
        return
    (second,) = struct.unpack_from(order + "I", data, link)
    if not second:
        return
    entries, _ = _folder(data, order, second)
    if _THUMBNAIL_START in entries and _THUMBNAIL_LENGTH in entries:
        (start,) = struct.unpack_from(order + "I", data, entries[_THUMBNAIL_START][0])
        (length,) = struct.unpack_from(order + "I", data, entries[_THUMBNAIL_LENGTH][0])
        end = min(start + length, len(data))
        data[start:end] = bytes(max(0, end - start))
    struct.pack_into(order + "I", data, link, 0)


def clean_xmp(xmp: bytes) -> bytes:
    """XMP whose orientation, where it has one, is 1."""
    return re.sub(rb"(tiff:Orientation(?:=[\"']|>))\d", rb"\g<1>1", xmp)


def with_png_exif(png: bytes, exif: bytes) -> bytes:
    """A PNG with an `eXIf` chunk added right behind its header (PNG third edition, 11.3.4.5)."""
    header_end = 8 + 12 + 13
    body = b"eXIf" + exif
    chunk = struct.pack(">I", len(exif)) + body + struct.pack(">I", zlib.crc32(body))
    return png[:header_end] + chunk + png[header_end:]


def is_camera_raw(data: bytes) -> bool:
    """Whether a TIFF is a raw photograph or a preview: DNG version or the preview bit on its first page.

    The first page of a raw photograph is a small preview: to fill that instead would be a silent mistake.
    """
    tags, order = _tiff_tags(data)
    preview = False
    if _NEW_SUBFILE_TYPE in tags:
        place, kind = tags[_NEW_SUBFILE_TYPE]
        preview = bool(struct.unpack_from(order + ("I" if kind == 4 else "H"), data, place)[0] & 1)
    return data[8:10] == b"CR" or _DNG_VERSION in tags or preview


def tiff_exif(data: bytes) -> bytes | None:
    """The EXIF of a TIFF file: its descriptive tags, EXIF folder and GPS folder as a TIFF structure; None if none."""
    if not _tiff_tags(data)[0].keys() & {*_TEXT_TAGS, _EXIF_FOLDER, _GPS_FOLDER}:
        return None
    source, exif = Image.Exif(), Image.Exif()
    try:
        source.load_from_fp(io.BytesIO(data))
        exif.update({tag: source[tag] for tag in _TEXT_TAGS if tag in source})
        for folder in (_EXIF_FOLDER, _GPS_FOLDER):
            if values := dict(source.get_ifd(folder)):
                exif[folder] = values
        return exif.tobytes().removeprefix(_PREFIX) if len(exif) else None
    except (OSError, ValueError, TypeError, KeyError, SyntaxError, struct.error):
        logger.warning("The EXIF data of the TIFF cannot be read and is left out.")
        return None


def _tiff_tags(data: bytes) -> tuple[dict[int, tuple[int, int]], str]:
    """Tags of the first page and the byte order; no tags where this is no classic TIFF or cannot be parsed."""
    order = _ORDERS.get(data[:4], "<")
    try:
        return (
            _folder(data, order, struct.unpack_from(order + "I", data, 4)[0])[0] if data[:4] in _ORDERS else {}
        ), order
    except struct.error:
        return {}, order


def with_tiff_exif(tiff: bytes, exif: bytes) -> bytes | None:
    """A little-endian classic TIFF with the tags of an EXIF structure added; None if that cannot be done.

    A new first directory, with the old entries and the new ones, is put behind the file and the header points to it.
    """
    if tiff[:4] != b"II*\x00" or len(tiff) + len(exif) > 2**32 - 2**20:
        return None
    source = Image.Exif()
    source.load(exif)
    start = struct.unpack_from("<I", tiff, 4)[0]
    (count,) = struct.unpack_from("<H", tiff, start)
    old = [tiff[start + 2 + 12 * i : start + 14 + 12 * i] for i in range(count)]
    taken = {struct.unpack_from("<H", entry)[0] for entry in old}
    tail, entries = bytearray(b"\0" * (len(tiff) % 2)), list(old)

    def add(tag: int, kind: int, number: int, value: bytes) -> None:
        field = value.ljust(4, b"\0")
        if len(value) > 4:
            field = struct.pack("<I", len(tiff) + len(tail))
            tail.extend(value + b"\0" * (len(value) % 2))
        entries.append(struct.pack("<HHI", tag, kind, number) + field)

    for tag in _TEXT_TAGS:
        if isinstance(text := source.get(tag), str) and tag not in taken:
            raw = text.encode("utf-8") + b"\0"
            add(tag, 2, len(raw), raw)
    for folder in (_EXIF_FOLDER, _GPS_FOLDER):
        if values := source.get_ifd(folder):
            place = len(tiff) + len(tail)
            tail.extend(_folder_bytes(dict(values), folder, place))
            tail.extend(b"\0" * (len(tail) % 2 ^ len(tiff) % 2))
            add(folder, 4, 1, struct.pack("<I", place))
    entries.sort(key=lambda entry: struct.unpack_from("<H", entry)[0])
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + b"\0\0\0\0"
    return tiff[:4] + struct.pack("<I", len(tiff) + len(tail)) + tiff[8:] + bytes(tail) + directory


def _folder_bytes(values: dict[int, object], group: int, place: int) -> bytes:
    folder = TiffImagePlugin.ImageFileDirectory_v2(ifh=b"II*\x00\x00\x00\x00\x00", group=group)
    for tag, value in values.items():
        folder[tag] = value
    return folder.tobytes(place)

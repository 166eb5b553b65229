"""`Result`: what stays of a job when its models are gone; kept in memory and in a folder, encoded when asked for."""

from __future__ import annotations

import io
import json
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ...imaging.box import Box
from ...imaging.errors import LensError
from ...imaging.layers import Layer
from ...imaging.openraster import write_ora
from ...imaging.picture import Picture
from ...imaging.reading import Limits
from ...imaging.writing import encode_picture, encode_png
from ..explaining import Explanation
from ..files import heatmap_picture
from ..operation import Outcome, base_pixels
from .uploads import read_picture_upload

RGB = NDArray[np.uint8]
_FACTS, _UPLOAD, _FILL, _HEATMAP, _REGION = "result.json", "upload.bin", "fill.npy", "heatmap.npy", "region.npy"


@dataclass(frozen=True, eq=False)
class Region:
    """The region of interest: `mask` uint8 `[h, w]`, 255 in it, which lies at `offset` (top, left) in a picture of
    `size` (height, width).
    """

    mask: NDArray[np.uint8]
    offset: tuple[int, int]
    size: tuple[int, int]

    @classmethod
    def of(cls, explanation: Explanation, size: tuple[int, int]) -> Region:
        """The region of an explanation, no larger than what the backend saw."""
        return cls(explanation.region * np.uint8(255), (explanation.box.top, explanation.box.left), size)

    def whole(self) -> NDArray[np.uint8]:
        """`[H, W]`, as large as the picture."""
        mask = np.zeros(self.size, np.uint8)
        (top, left), (height, width) = self.offset, self.mask.shape
        mask[top : top + height, left : left + width] = self.mask
        return mask


@dataclass(frozen=True, eq=False)
class Result:
    """A filled picture with its layers, heatmap and report.

    Attributes:
        upload: the picture as it was sent.
        fill: native pixels `[h, w, C]` of the filled picture in `box`.
        box: where the picture changed.
        layers: in painting order.
        heatmap: RGB `[h, w, 3]`; None if nothing was explained.
        report: plain values for JSON.
        limits: under which the upload was decoded.
        region: of interest; None if nothing was explained.
    """

    upload: bytes
    fill: NDArray[Any]
    box: Box
    layers: tuple[Layer, ...]
    heatmap: RGB | None
    report: dict[str, Any]
    limits: Limits
    region: Region | None = None

    @classmethod
    def of(cls, outcome: Outcome, upload: bytes, limits: Limits) -> Result:
        """What is worth keeping of an outcome."""
        filling = outcome.filling
        made = cls(
            upload,
            filling.picture.pixels[filling.box.slices].copy(),
            filling.box,
            tuple(outcome.layers()),
            heatmap_picture(outcome) if outcome.explanation else None,
            outcome.report(),
            limits,
            Region.of(outcome.explanation, filling.hole.size) if outcome.explanation else None,
        )
        made.__dict__["picture"] = filling.picture  # so that it need not be put together again
        return made

    @property
    def original(self) -> Picture:
        """The picture before it was filled."""
        return read_picture_upload(self.upload, self.limits)

    @cached_property
    def picture(self) -> Picture:
        """The filled picture, in the depth and colours of the original."""
        original = self.original
        pixels = original.pixels.copy()
        pixels[self.box.slices] = self.fill
        return original.with_pixels(pixels)

    def layer(self, slug: str) -> Layer | None:
        """The layer of that name in lower case with hyphens."""
        return next((layer for layer in self.layers if slug_of(layer) == slug), None)

    def png(self) -> bytes:
        """The filled picture as PNG with its profile and EXIF."""
        return encode_picture(self.picture, "png")[0]

    def npy(self) -> bytes:
        """The filled picture as `.npy`, in the shape and type of `Picture.to_array`."""
        picture = self.picture
        return npy_bytes(picture.to_array() if picture.flat or picture.alpha is not None else picture.pixels)

    def heatmap_png(self) -> bytes | None:
        """The heatmap as PNG; None if nothing was explained."""
        return None if self.heatmap is None else encode_png(self.heatmap)

    def region_npy(self) -> bytes | None:
        """The region of interest as `.npy`, as large as the picture; None if nothing was explained."""
        return None if self.region is None else npy_bytes(self.region.whole())

    def ora(self) -> bytes:
        """Picture and layers as OpenRaster."""
        with tempfile.TemporaryDirectory(prefix="inpaint-lens-") as folder:
            path, original = Path(folder, "layers.ora"), self.original
            write_ora(path, original.size, self.layers, base=base_pixels(original))
            return path.read_bytes()

    def save(self, folder: Path) -> None:
        """Write everything into a folder of its own; raises `OSError`."""
        places = [
            {"name": layer.name, "offset": layer.offset, "opacity": layer.opacity, "blend_mode": layer.blend_mode}
            for layer in self.layers
        ]
        box = self.box
        facts = {
            "box": [box.top, box.left, box.height, box.width],
            "layers": places,
            "report": self.report,
            "limits": [self.limits.max_pixels, self.limits.max_bytes],
            "region": None if self.region is None else [self.region.offset, self.region.size],
        }
        (folder / _UPLOAD).write_bytes(self.upload)
        np.save(folder / _FILL, self.fill, allow_pickle=False)
        for index, layer in enumerate(self.layers):
            np.save(folder / f"layer{index}.npy", layer.pixels, allow_pickle=False)
        if self.heatmap is not None:
            np.save(folder / _HEATMAP, self.heatmap, allow_pickle=False)
        if self.region is not None:
            np.save(folder / _REGION, self.region.mask, allow_pickle=False)
        (folder / _FACTS).write_text(json.dumps(facts, allow_nan=False))

    @classmethod
    def load(cls, folder: Path) -> Result:
        """Read what `save` wrote; raises `LensError` where it is damaged or gone."""
        try:
            facts = json.loads((folder / _FACTS).read_text())
            layers = tuple(
                Layer(fact["name"], _array(folder / f"layer{index}.npy"), tuple(fact["offset"]), *_look(fact))
                for index, fact in enumerate(facts["layers"])
            )
            heatmap = _array(folder / _HEATMAP) if (folder / _HEATMAP).exists() else None
            upload, fill = (folder / _UPLOAD).read_bytes(), _array(folder / _FILL)
            region = _region(folder, facts.get("region"))
            box, limits = Box(*facts["box"]), Limits(*facts["limits"])
            return cls(upload, fill, box, layers, heatmap, facts["report"], limits, region)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LensError("The result of this job is no longer here: submit it again.") from error


def slug_of(layer: Layer) -> str:
    """The layer's name as part of an address: `region-of-interest`."""
    return "-".join(layer.name.lower().split())


def npy_bytes(array: NDArray[Any]) -> bytes:
    """An array as the bytes of a `.npy`."""
    array = np.ascontiguousarray(array)
    header = io.BytesIO()
    npy.write_array_header_1_0(header, npy.header_data_from_array_1_0(array))
    return b"".join((header.getvalue(), array.data.cast("B")))


def _array(path: Path) -> NDArray[Any]:
    """An array whose values are read when they are looked at."""
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _region(folder: Path, place: Any) -> Region | None:
    """What was saved of a region at `place`, its offset and the picture's size; an older result has none."""
    return Region(_array(folder / _REGION), tuple(place[0]), tuple(place[1])) if place else None


def _look(fact: dict[str, Any]) -> tuple[float, str]:
    return fact["opacity"], fact["blend_mode"]

"""Faults of old photographs, made on purpose: a seed draws the parameters, the parameters give the picture.

Parameters are plain numbers that are stored with a pair, so that a faulty picture can be made again bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...imaging.errors import InputError

RGB = NDArray[np.uint8]
Parameters = dict[str, Any]
_DETAIL = {"blur", "low_resolution"}


@dataclass(frozen=True)
class Degradation:
    """A kind of fault.

    Attributes:
        draw: parameters of a generator.
        apply: to a picture `[H, W, 3]`, by its parameters.
        dimension: of quality that suffers.
    """

    draw: Callable[[np.random.Generator], Parameters]
    apply: Callable[[RGB, Mapping[str, Any]], RGB]
    dimension: str


def _blur(picture: RGB, how: Mapping[str, Any]) -> RGB:
    return _bytes(cv2.GaussianBlur(picture, (0, 0), how["sigma_px"]))


def _noise(picture: RGB, how: Mapping[str, Any]) -> RGB:
    rng = np.random.default_rng(how["seed"])
    shape = picture.shape if how["coloured"] else (*picture.shape[:2], 1)
    return _bytes(picture + rng.normal(0, how["strength"], shape))


def _scratches(picture: RGB, how: Mapping[str, Any]) -> RGB:
    rng, marked = np.random.default_rng(how["seed"]), picture.copy()
    height, width = picture.shape[:2]
    for _ in range(how["count"]):
        x, drift = rng.integers(0, width), rng.integers(-width // 4, width // 4 + 1)
        shade = int(rng.integers(200, 256)) if rng.random() < 0.7 else int(rng.integers(0, 60))
        top, bottom = sorted(int(value) for value in rng.integers(0, height, 2))
        points = np.array([(x + drift * share, top + (bottom - top) * share) for share in np.linspace(0, 1, 6)])
        points[:, 0] += rng.normal(0, 1 + width / 200, 6)
        cv2.polylines(marked, [points.astype(np.int32)], False, (shade,) * 3, how["width_px"], cv2.LINE_AA)
    return marked


def _holes(picture: RGB, how: Mapping[str, Any]) -> RGB:
    rng, torn = np.random.default_rng(how["seed"]), picture.copy()
    height, width = picture.shape[:2]
    for _ in range(how["count"]):
        centre = int(rng.integers(0, width)), int(rng.integers(0, height))
        radius = how["radius"] * min(height, width)
        angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
        reach = radius * rng.uniform(0.5, 1, 9)
        outline = np.stack([centre[0] + reach * np.cos(angles), centre[1] + reach * np.sin(angles)], 1)
        cv2.fillPoly(torn, [outline.astype(np.int32)], (how["shade"],) * 3, cv2.LINE_AA)
    return torn


def _low_resolution(picture: RGB, how: Mapping[str, Any]) -> RGB:
    height, width = picture.shape[:2]
    small = max(1, round(width / how["factor"])), max(1, round(height / how["factor"]))
    reduced = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
    return _bytes(cv2.resize(reduced, (width, height), interpolation=cv2.INTER_CUBIC))


def _jpeg(picture: RGB, how: Mapping[str, Any]) -> RGB:
    _, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, how["quality"]])
    return _bytes(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)))


def _old_photo(picture: RGB, how: Mapping[str, Any]) -> RGB:
    """Faded to sepia, then each of the other faults that were drawn."""
    grey = picture.mean(2, keepdims=True)
    sepia = grey * np.array([1.05, 0.95, 0.78])
    mixed = (1 - how["fading"]) * picture + how["fading"] * sepia
    aged = _bytes(30 * how["fading"] + mixed * (1 - 0.2 * how["fading"]))
    for step in how["steps"]:
        aged = KINDS[step["kind"]].apply(aged, step["parameters"])
    return aged


def _draw_old_photo(rng: np.random.Generator) -> Parameters:
    kinds = ["low_resolution" if rng.random() < 0.3 else "blur", "holes", "scratches", "noise", "jpeg"]
    chosen = [kind for kind in kinds if kind in _DETAIL or rng.random() < 0.6]
    steps = [{"kind": kind, "parameters": KINDS[kind].draw(rng)} for kind in chosen]
    return {"fading": round(float(rng.uniform(0.2, 0.9)), 3), "steps": steps}


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


KINDS: dict[str, Degradation] = {
    "blur": Degradation(lambda rng: {"sigma_px": round(float(rng.uniform(0.8, 2.5)), 3)}, _blur, "sharpness"),
    "noise": Degradation(
        lambda rng: {
            "strength": round(float(rng.uniform(8, 30)), 2),
            "coloured": bool(rng.random() < 0.5),
            "seed": _seed(rng),
        },
        _noise,
        "noise",
    ),
    "scratches": Degradation(
        lambda rng: {"count": int(rng.integers(2, 8)), "width_px": int(rng.integers(1, 3)), "seed": _seed(rng)},
        _scratches,
        "scratches",
    ),
    "holes": Degradation(
        lambda rng: {
            "count": int(rng.integers(1, 5)),
            "radius": round(float(rng.uniform(0.03, 0.12)), 4),
            "shade": int(rng.integers(180, 256)),
            "seed": _seed(rng),
        },
        _holes,
        "missing parts",
    ),
    "low_resolution": Degradation(
        lambda rng: {"factor": round(float(rng.uniform(1.7, 4)), 3)}, _low_resolution, "sharpness"
    ),
    "jpeg": Degradation(lambda rng: {"quality": int(rng.integers(10, 45))}, _jpeg, "noise"),
    "old_photo": Degradation(_draw_old_photo, _old_photo, "sharpness"),
}
"""All faults by name."""


def draw(kind: str, seed: int) -> Parameters:
    """Parameters of a fault, the same for the same seed.

    Raises:
        InputError: there is no such fault.
    """
    _check(kind)
    return KINDS[kind].draw(np.random.default_rng(seed))


def apply(picture: RGB, kind: str, parameters: Mapping[str, Any]) -> RGB:
    """The faulty picture `uint8 [H, W, 3]`.

    Raises:
        InputError: there is no such fault.
    """
    _check(kind)
    return KINDS[kind].apply(picture, parameters)


def _check(kind: str) -> None:
    if kind not in KINDS:
        raise InputError(f"There is no degradation '{kind}': take some of {', '.join(KINDS)}.")


def _bytes(values: NDArray[Any]) -> RGB:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)

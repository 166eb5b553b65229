"""An explanation in plain words, doubts included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .region import direction

if TYPE_CHECKING:
    from .report import Attribution


def sentence(found: Attribution, pixel_size: float = 1.0, whole: bool | None = None) -> str:
    """What `found` says: where the mass lies, how it was checked, and what to doubt.

    Args:
        pixel_size: pixels of the picture for each pixel of the map, for a model that saw the picture scaled down.
        whole: whether the target is all that was filled; None = if it is the whole hole.
    """
    return " ".join([_where(found, pixel_size, whole), _check(found), *_doubts(found)])


def _where(found: Attribution, pixel_size: float, whole: bool | None) -> str:
    whole = bool((found.target == found.hole).all()) if whole is None else whole
    fill = "this fill" if whole else "this part of the fill"
    if not found.magnitude.any():
        return f"By this method, no known pixel shaped {fill}."
    distance = round(found.mass_by_distance().holding(0.5) * pixel_size)
    way = direction(found.magnitude, found.target)
    percent = 100.0 * found.region().sum() / max(1, (~found.hole).sum())
    side = f"mostly {way}" if way else "on all sides"
    return (
        f"Half of what shaped {fill} lies within {distance} px of the hole, {side}; "
        f"{_percent(percent)} of the known pixels make up half of it."
    )


def _check(found: Attribution) -> str:
    if found.provenance is not None:
        return "These are the very pixels that were copied."
    calls = f"{found.evaluations} evaluation{'' if found.evaluations == 1 else 's'}"
    if found.error_percent is None:
        return f"This method cannot check its own sum ({calls})."
    what = "the change that they explain" if found.error_of == "the change" else "the objective, which hardly changes"
    return f"The contributions add up to within {_percent(found.error_percent)} of {what} ({calls})."


def _doubts(found: Attribution) -> list[str]:
    doubts = []
    if found.certain_percent is not None and found.certain_percent < 50:
        doubts.append(
            f"Only {_percent(found.certain_percent)} of the map stands out from the chance of the masks: "
            "allow more evaluations with --steps."
        )
    if found.converged is False:
        doubts.append(
            f"That is over the tolerance of {_percent(found.tolerance_percent)}: "
            "read the map with care, or allow more evaluations."
        )
    if found.nonfinite:
        doubts.append(f"{found.nonfinite} entries of the gradients were not finite and count as 0.")
    if not found.baseline.reached:
        doubts.append(
            f"The picture is so smooth that blurring it took away {_percent(found.baseline.blurriness_percent)} of "
            f"its detail instead of {_percent(found.baseline.threshold_percent)}, so the map may say little."
        )
    return doubts


def _percent(value: float) -> str:
    if 0 < value < 0.01:
        return "0.01 %"
    return f"{value:.2g} %" if value < 10 else f"{value:.0f} %"

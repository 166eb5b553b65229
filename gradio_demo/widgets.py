"""Parts of the page that Gradio has not: Python halves of the scripts in `assets/`.

Their values are plain JSON, and what comes from a browser is read by the functions called `..._of`. Files in them
travel as Gradio's `FileData`, which Gradio checks against its own cache both ways; `uploaded` checks once more before
anything is opened.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder
from numpy.typing import NDArray

from ..imaging.errors import InputError
from ..imaging.writing import encode_png

ASSETS = Path(__file__).parent / "assets"
KINDS = ("fill", "avoid", "guide")
GONE = "This file is no longer here: open the picture again."
_DATA_URL = "data:image/png;base64,"

Mask = NDArray[np.bool_]


def asset(name: str) -> str:
    """Text of a file in `assets/`."""
    return (ASSETS / name).read_text(encoding="utf-8")


def stamp() -> str:
    """Something new, by which a script sees that the server changed its value."""
    return secrets.token_urlsafe(6)


def cached(data: bytes, name: str) -> str:
    """Put bytes into Gradio's private cache, from which the page can fetch them; returns the path."""
    return save_bytes_to_cache(data, name, get_upload_folder())


def file_data(path: str, name: str = "") -> dict[str, Any]:
    """A cached file as a value for the page."""
    return {"path": path, "orig_name": name or Path(path).name, "meta": {"_type": "gradio.FileData"}}


def uploaded(value: Any) -> Path | None:
    """The path of a file that a visitor uploaded, though it may have been cleared away; None if there is none.

    Raises:
        InputError: it lies anywhere else than in Gradio's cache.
    """
    if not isinstance(value, dict) or not isinstance(value.get("path"), str):
        return None
    path = Path(value["path"]).resolve()
    if not path.is_relative_to(Path(get_upload_folder()).resolve()):
        raise InputError(GONE)
    return path


def mask_url(mask: Mask) -> str:
    """A mask `[h, w]` as a PNG in a data URL, opaque where it is true."""
    rgba = np.full((*mask.shape, 4), 255, np.uint8)
    rgba[..., 3] = np.where(mask, 255, 0)
    return _DATA_URL + base64.b64encode(encode_png(rgba)).decode()


def url_bytes(url: object) -> bytes:
    """The bytes of a PNG in a data URL; empty for none.

    Raises:
        InputError: something else.
    """
    if not url:
        return b""
    if not isinstance(url, str) or not url.startswith(_DATA_URL):
        raise InputError("The paint did not arrive as it should: paint once more.")
    try:
        return base64.b64decode(url.removeprefix(_DATA_URL), validate=True)
    except ValueError:
        raise InputError("The paint did not arrive as it should: paint once more.") from None


@dataclass(frozen=True)
class Painted:
    """What a painter holds: where the picture came from, and paint over its display copy.

    Attributes:
        source: file that the visitor gave; None for an example or nothing.
        sample: name of the example; empty if it is none.
        name: of the picture, for people and for files.
        paint: PNG bytes for each kind, as large as the display copy; empty where nothing is painted.
        file: a picture just uploaded, not yet opened.
        mask_file: a mask just uploaded.
    """

    source: Path | None = None
    sample: str = ""
    name: str = ""
    paint: dict[str, bytes] = field(default_factory=dict)
    file: Path | None = None
    file_name: str = ""
    mask_file: Path | None = None
    mask_name: str = ""


def painted_of(value: Any) -> Painted:
    """What a painter sent; raises `InputError` for files that are not the visitor's."""
    given = value if isinstance(value, dict) else {}
    paint = given.get("paint")
    paint = paint if isinstance(paint, dict) else {}
    return Painted(
        source=uploaded(given.get("source")),
        sample=_text(given.get("sample")),
        name=_text(given.get("name")),
        paint={kind: url_bytes(paint.get(kind)) for kind in KINDS},
        file=uploaded(given.get("file")),
        file_name=_file_name(given.get("file")),
        mask_file=uploaded(given.get("mask_file")),
        mask_name=_file_name(given.get("mask_file")),
    )


def point_of(value: Any) -> dict[str, Any]:
    """The point that was asked for in a lens view or a painter; empty if none was."""
    point = value.get("point") if isinstance(value, dict) else None
    return point if isinstance(point, dict) else {}


def chosen_of(value: Any) -> dict[str, dict[str, Any]]:
    """What a settings form holds, by backend and setting; not yet checked."""
    values = value.get("values") if isinstance(value, dict) else None
    if not isinstance(values, dict):
        return {}
    return {name: chosen for name, chosen in values.items() if isinstance(chosen, dict)}


def name_of(value: Any) -> str:
    """Name of the example that was pressed; empty for none."""
    return _text(value.get("name")) if isinstance(value, dict) else ""


# Functions, not classes: of every class made from its own, Gradio writes a .pyi file beside the source.


def painter(max_bytes: int, guided: list[str], elem_id: str) -> gr.HTML:
    """A picture to paint masks on, and guide lines for the backends `guided`; see `assets/painter.js` for its value."""
    return _widget("painter", elem_id, max_bytes=max_bytes, guided=guided)


def lens_view(elem_id: str) -> gr.HTML:
    """A picture under a heatmap and outlines; see `assets/lens_view.js` for its value."""
    return _widget("lens_view", elem_id)


def settings_form(specs: dict[str, list[dict[str, Any]]], backend: str, elem_id: str) -> gr.HTML:
    """Fields for what a backend lets people choose; see `assets/settings_form.js`."""
    return _widget("settings_form", elem_id, value={"values": {}}, specs=specs, backend=backend)


def choice(elem_id: str) -> gr.HTML:
    """Tells painter and settings form, in the browser, which backend is chosen; its value is the backend's name."""
    return _widget("choice", elem_id)


def examples_row(samples: list[tuple[str, str, str]], elem_id: str) -> gr.HTML:
    """A row of small pictures; its value tells which one was pressed."""
    return _widget("examples", elem_id, samples=samples)


def delivery(elem_id: str) -> gr.HTML:
    """Gives a file that was just made to the browser's downloads; its value comes from `delivered`."""
    return _widget("delivery", elem_id)


def tab_bar(tabs: dict[str, str], words: str, elem_id: str) -> gr.HTML:
    """Tabs over panes that are mounted from the start; its value comes from `selected`.

    Gradio mounts what is in its own tabs when they are first shown, and until then takes "no change" for a new value.
    """
    return _widget("tab_bar", elem_id, tabs=[list(tab) for tab in tabs.items()], words=words)


def fold(name: str, words: str) -> gr.HTML:
    """A button that opens and closes the column with the id `fold-NAME`, mounted from the start as for `tab_bar`."""
    return _widget("fold", f"{name}-button", name=name, words=words)


def _widget(kind: str, elem_id: str, **more: Any) -> gr.HTML:
    template, script = asset(f"{kind}.html"), asset(f"{kind}.js")
    return gr.HTML(html_template=template, js_on_load=script, apply_default_css=False, elem_id=elem_id, **more)


def selected(tab: str) -> dict[str, str]:
    """A value for `tab_bar`: show this one."""
    return {"stamp": stamp(), "selected": tab}


def delivered(data: bytes, name: str) -> dict[str, Any]:
    """A value for `delivery`: these bytes under this name."""
    return {"stamp": stamp(), "file": file_data(cached(data, name), name), "words": f"Saved {name}."}


def refused(sentence: str) -> dict[str, Any]:
    """A value for `delivery`: why there is no file."""
    return {"stamp": stamp(), "file": None, "words": sentence}


def _text(value: object) -> str:
    return value[:200] if isinstance(value, str) else ""


def _file_name(value: object) -> str:
    return _text(value.get("orig_name")) if isinstance(value, dict) else ""

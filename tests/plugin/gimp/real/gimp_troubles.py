# pyright: reportMissingImports=false
"""Inside GIMP: a service that is missing, wrong or killed, and a picture that goes away in the middle."""

import json
import os
import signal
import threading
from pathlib import Path

from gimp_lib import (
    PLUG_IN,
    SERVICE,
    acted,
    call,
    case,
    fill,
    meanwhile,
    names,
    picture,
    running,
    select,
    tell,
    wait_for,
)

SETTINGS = PLUG_IN / "settings.json"
SLOW = {"backend": "lens-small", "explain": True}
"""For what is stopped in the middle."""
BRIEF = {"backend": "telea", "explain": True}
"""Takes a second or more, and is waited for."""


def large():
    """A picture that takes seconds."""
    image, layer = picture(width=640, height=480)
    select(image, 200, 150, 200, 160)
    return image, layer


def small():
    image, layer = picture()
    select(image)
    return image, layer


def works():
    """Whether a call works now."""
    image, layer = small()
    return fill(image, [layer])[0]


def with_settings(change):
    """What a call says with other settings."""
    plain = SETTINGS.read_text()
    try:
        change(json.loads(plain))
        image, layer = small()
        return fill(image, [layer])[0] | {"layers": names(image.get_layers())}
    finally:
        SETTINGS.write_text(plain)


@case
def not_set_up():
    return with_settings(lambda facts: SETTINGS.unlink())


@case
def no_python():
    return with_settings(lambda facts: SETTINGS.write_text(json.dumps(facts | {"python": "/nowhere/python"})))


@case
def another_python():
    return with_settings(lambda facts: SETTINGS.write_text(json.dumps(facts | {"python": "/usr/bin/python3"})))


@case
def right_again():
    return works()


@case
def another_version():
    return with_settings(lambda facts: SETTINGS.write_text(json.dumps(facts | {"version": "9.9.9"})))


@case
def first_call_after_another_version():
    return works()


def killed_when_running(pid):
    """Kill a process as soon as a job runs; in a thread, which does not call GIMP."""

    def run():
        if wait_for(running):
            os.kill(pid(), signal.SIGKILL)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def plug_in():
    """The process of the call at hand."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                line = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if b"inpaint-lens.py" in line and b"-run" in line:
                return int(folder.name)
    raise LookupError("no plug-in runs")


@case
def service_killed():
    image, layer = large()
    thread = killed_when_running(lambda: json.loads((SERVICE / "service.json").read_text())["pid"])
    facts = fill(image, [layer], **SLOW)[0]
    thread.join()
    return facts | {"layers": names(image.get_layers()), "next": works()}


@case
def plug_in_killed():
    """As GIMP's Cancel does it."""
    image, layer = large()
    thread = killed_when_running(plug_in)
    facts = fill(image, [layer], **SLOW)[0]
    thread.join()
    stopped = wait_for(lambda: not running(), 20)
    return facts | {"stopped": stopped, "layers": names(image.get_layers()), "next": works()}


@case
def image_closed():
    """Nothing shows it, so that GIMP keeps it until the call ends."""
    image, layer = picture(width=200, height=160)
    select(image, 80, 60, 40, 30)
    act = meanwhile(f"Gimp.Image.get_by_id({image.get_id()}).delete()")
    facts = fill(image, [layer], **BRIEF)[0]
    return facts | {"acted": acted(act), "gone": not image.is_valid(), "next": works()}


@case
def layer_deleted():
    image, layer = large()
    line = f"image = Gimp.Image.get_by_id({image.get_id()}); image.remove_layer(image.get_layers()[0])"
    act = meanwhile(line)
    facts = fill(image, [layer], **SLOW)[0]
    return facts | {"acted": acted(act), "layers": names(image.get_layers()), "next": works()}


@case
def selection_changed():
    """The one at the start counts."""
    image, layer = picture(width=300, height=200)
    select(image, 100, 80, 60, 40)
    act = meanwhile(f"Gimp.Selection.none(Gimp.Image.get_by_id({image.get_id()}))")
    facts, result, _ = fill(image, [layer], **BRIEF)
    return facts | {"acted": acted(act), "size": [result.get_width(), result.get_height()]}


@case
def two_at_once():
    image, layer = picture(width=300, height=200)
    select(image, 100, 80, 60, 40)
    other, _ = small()
    act = meanwhile(
        f"other = Gimp.Image.get_by_id({other.get_id()})\n"
        "facts = gimp_lib.fill(other, other.get_layers())[0]\nassert facts['status'] == 'success', facts"
    )
    facts = fill(image, [layer], **BRIEF)[0]
    return facts | {"acted": acted(act), "layers": names(image.get_layers()), "others": names(other.get_layers())}


@case
def unexpected():
    """Something that nobody thought of: the note of what happened is kept."""
    image, layer = small()
    broken = PLUG_IN / "lens" / "selection.py"
    plain = broken.read_text()
    try:
        broken.write_text(
            plain.replace("def hole_on(", "def hole_on(image, layer):\n    return 1 / 0\n\n\ndef _other(")
        )
        facts = call("fill", image, [layer])[0]
    finally:
        broken.write_text(plain)
    return facts | {"log": (SERVICE / "gimp.log").read_text(), "mode": (SERVICE / "gimp.log").stat().st_mode & 0o777}


@case
def no_image_any_more():
    image, _ = small()
    stale = image.duplicate()
    stale_layers = stale.get_layers()
    stale.delete()
    try:
        return fill(stale, stale_layers)[0]
    except TypeError:
        return {"status": "refused by GIMP"}


tell()

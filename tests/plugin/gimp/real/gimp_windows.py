"""Beside GIMP: what a person does with mouse and keyboard."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from gimp_screen import (
    FILL,
    OUT,
    TYPED,
    filled,
    in_gimp,
    keys,
    layers,
    open_picture,
    running,
    standing,
    tell,
    typed,
    wait_for,
)

QUICK = {"backend": "telea", "explain": True, "feather": 3}
SLOW = {"backend": "lens-small", "explain": True}
state = {}


def dialog_appears(screen):
    state["image"] = open_picture(280, 190, 60, 40)
    state["before"] = standing(state["image"])
    typed(**QUICK)
    screen.command(FILL)
    screen.until_active(FILL)
    screen.shot("dialog")
    return {"before": state["before"]}


def ok_fills(screen):
    keys("alt+o")
    return {"filled": filled(state["image"], 3), "after": standing(state["image"]), "typed_kept": TYPED.exists()}


def one_undo_restores(screen):
    screen.picture_window()
    keys("ctrl+z")
    wait_for(lambda: len(layers(state["image"])) == 1, 10)
    return standing(state["image"])


def ctrl_f_repeats(screen):
    screen.picture_window()
    keys("ctrl+f")
    return {"filled": filled(state["image"], 3), "layers": layers(state["image"])}


def what_fails_is_told(screen):
    in_gimp(f"image = Gimp.Image.get_by_id({state['image']}); Gimp.Selection.none(image); Gimp.displays_flush()")
    screen.picture_window()
    keys("ctrl+f")
    screen.until_active("GIMP Message")
    screen.shot("refusal")
    keys("Return")
    return {"layers": layers(state["image"])}


def stop_leaves_everything_as_it_was(screen):
    number = open_picture(200, 100, 500, 400)
    typed(**SLOW)
    screen.command(FILL)
    screen.until_active(FILL)
    keys("alt+o")
    started = bool(wait_for(running))
    time.sleep(1.5)
    screen.until_active(FILL)
    screen.shot("progress")
    keys("alt+s")
    stopped = bool(wait_for(lambda: not running(), 20))
    gone = bool(wait_for(lambda: not screen.windows(f"^{FILL}$"), 20))
    return {"started": started, "stopped": stopped, "gone": gone, "now": standing(number), "kept": TYPED.exists()}


def gimp_is_usable_meanwhile(screen):
    """A menu opens and the selection changes while a fill is made; closing the window of the picture ends it."""
    number = open_picture(200, 100, 500, 400)
    screen.command(FILL)
    screen.until_active(FILL)
    keys("alt+o")
    assert wait_for(running)
    screen.picture_window()
    keys("ctrl+a")
    selected = wait_for(lambda: all_selected(number), 10)
    still = bool(running())
    screen.shot("meanwhile")
    return {"selected": bool(selected), "still_running": still} | close_it(screen, number)


def models_are_listed(screen):
    screen.command("Models...")
    screen.until_active("Models")
    listed = bool(wait_for((OUT / "service" / "backends.json").exists, 20))
    screen.shot("models")
    keys("Escape")
    return {"listed": listed, "gone": bool(wait_for(lambda: not screen.windows("^Models$"), 20))}


def all_selected(number):
    return in_gimp(f"found = Gimp.Selection.bounds(Gimp.Image.get_by_id({number}))\nsaid = list(found)[2:4] == [0, 0]")


def close_it(screen, number):
    screen.picture_window()
    in_gimp(f"Gimp.Image.get_by_id({number}).clean_all()")
    keys("ctrl+w")
    stopped = bool(wait_for(lambda: not running(), 20))
    told = bool(wait_for(lambda: screen.windows("GIMP Message"), 10))
    screen.shot("closed")
    keys("Return")
    return {"stopped": stopped, "told": told}


tell(
    [
        dialog_appears,
        ok_fills,
        one_undo_restores,
        ctrl_f_repeats,
        what_fails_is_told,
        models_are_listed,
        stop_leaves_everything_as_it_was,
        gimp_is_usable_meanwhile,
    ]
)

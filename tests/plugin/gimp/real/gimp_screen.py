"""Beside GIMP: a screen, GIMP on it, and someone who presses keys. Says what was seen as JSON, as `gimp_lib.tell` does.

Code that is to run in GIMP meanwhile is handed to the second hand of `gimp_actor.py`.
"""

import json
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path

OUT, HERE = Path(os.environ["OUT"]), Path(__file__).resolve().parent
PICTURE = os.environ["PICTURE"]
SHOTS = OUT / "shots"
TYPED = OUT / "profile" / "plug-in-settings" / "plug-in-inpaint-lens-fill.typed.json"
LIMIT_S = 90
SIZE = "1280x900x24"
FILL = "Fill and Explain"


def wait_for(true, limit_s=LIMIT_S):
    end = time.monotonic() + limit_s
    while not (found := true()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


class Screen:
    """A display of its own with a window manager and GIMP."""

    def __init__(self):
        reading, writing = os.pipe()
        command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", SIZE, "-nolisten", "tcp"]
        self.processes = [subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)]
        os.close(writing)
        number = os.read(reading, 16).decode().strip()
        runtime = OUT / "xdg"
        runtime.mkdir(mode=0o700, exist_ok=True)
        os.environ.update(DISPLAY=f":{number}", GDK_BACKEND="x11", XDG_RUNTIME_DIR=str(runtime))
        log = (OUT / "screen.log").open("w")
        for line in (["openbox"], ["dbus-run-session", "--", "gimp", "-n"]):
            self.processes.append(subprocess.Popen(line, stdout=log, stderr=log))
        assert wait_for(lambda: self.windows("GNU Image Manipulation Program"))
        # A version that is new to the profile introduces itself.
        if welcome := wait_for(lambda: self.windows("Welcome to GIMP"), 3):
            xdotool("windowactivate", "--sync", welcome[-1], "key", "Escape")

    def close(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait()

    def active(self):
        """Title of the window that has the keyboard."""
        return xdotool("getactivewindow", "getwindowname")

    def until_active(self, title):
        assert wait_for(lambda: title in self.active()), (title, self.active())
        time.sleep(0.4)

    def windows(self, title):
        return xdotool("search", "--onlyvisible", "--name", title).split()

    def shot(self, name):
        SHOTS.mkdir(exist_ok=True)
        time.sleep(0.3)
        subprocess.run(["import", "-window", "root", str(SHOTS / f"{name}.png")], check=True)

    def picture_window(self):
        """Bring the window with the picture to the front."""
        found = wait_for(lambda: self.windows("GIMP$"))
        assert found
        xdotool("windowactivate", "--sync", found[-1])
        xdotool("windowmove", found[-1], "0", "0", "windowsize", "--sync", found[-1], "1276", "870")
        self.until_active("GIMP")

    def command(self, label):
        """Take a menu item by searching for it."""
        self.picture_window()
        keys("slash")
        self.until_active("Search Actions")
        xdotool("type", "--delay", "20", label)
        time.sleep(1.0)
        keys("Down", "Return")


def xdotool(*arguments):
    done = subprocess.run(["xdotool", *arguments], capture_output=True, text=True, check=False, timeout=30)
    return done.stdout.strip()


def keys(*names):
    for name in names:
        xdotool("key", name)
        time.sleep(0.15)


def in_gimp(code):
    """Run code in GIMP; what it assigns to `said` comes back."""
    acts = OUT / "acts"
    path, answer = acts / f"{time.monotonic_ns()}.new", acts / "said.json"
    assert wait_for(acts.is_dir)
    path.write_text(
        "from gi.repository import Gegl, Gio\nimport json\nsaid = None\n"
        f"{code}\nopen({str(answer)!r}, 'w').write(json.dumps(said))\n"
    )
    path.rename(path.with_suffix(".py"))
    assert wait_for(path.with_suffix(".done").exists), "the second hand did not come"
    error = path.with_suffix(".error")
    assert not error.exists(), error.read_text()
    return json.loads(answer.read_text())


def open_picture(x, y, width, height):
    """Show the picture with a selection; gives its number."""
    return in_gimp(
        f"image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path({PICTURE!r}))\n"
        f"image.select_ellipse(Gimp.ChannelOps.REPLACE, {x}, {y}, {width}, {height})\n"
        "image.undo_enable()\nimage.clean_all()\nGimp.Display.new(image)\nGimp.displays_flush()\nsaid = image.get_id()"
    )


def standing(number):
    """Layers from top to bottom, whether anything changed, and a sum of the bottom layer's pixels."""
    return in_gimp(
        f"import zlib\nimage = Gimp.Image.get_by_id({number})\nlayers = image.get_layers() if image else []\n"
        "buffer = layers[-1].get_buffer() if layers else None\n"
        "box = Gegl.Rectangle.new(0, 0, layers[-1].get_width(), layers[-1].get_height()) if layers else None\n"
        "data = buffer.get(box, 1.0, None, Gegl.AbyssPolicy.NONE) if layers else b''\ndel buffer\n"
        "said = {'layers': [layer.get_name() for layer in layers], 'dirty': bool(image and image.is_dirty()),\n"
        "        'sum': zlib.crc32(data)}"
    )


def layers(number):
    return standing(number)["layers"]


def filled(number, count):
    """Whether so many layers are there in the end."""
    return bool(wait_for(lambda: len(layers(number)) == count))


def typed(**values):
    """As if these had been typed in a run that failed."""
    TYPED.write_text(json.dumps(values))


def running():
    sys.path.insert(0, str(OUT / "profile" / "plug-ins" / "inpaint-lens"))
    from lens.connection import Connection  # pyright: ignore[reportMissingImports]
    from lens.errors import Trouble  # pyright: ignore[reportMissingImports]
    from lens.folder import address_in  # pyright: ignore[reportMissingImports]

    address = address_in(OUT / "service")
    try:
        return Connection(address, "log").json("GET", "/v1/health")["running"] if address else 0
    except Trouble:
        return 0


def tell(cases):
    """Run cases one after another on one screen; the first that fails ends it."""
    told, screen = {}, Screen()
    try:
        for case in cases:
            told[case.__name__] = case(screen)
    except Exception:
        told["failed"] = {"exception": traceback.format_exc()}
        screen.shot("failed")
    finally:
        Path(os.environ["ANSWER"]).write_text(json.dumps(told))
        screen.close()

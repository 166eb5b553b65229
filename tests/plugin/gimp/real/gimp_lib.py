# pyright: reportMissingImports=false, reportAttributeAccessIssue=false
"""What the scripts share that run inside GIMP: pictures, calls, and what is seen afterwards."""

import json
import os
import random
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import gi

gi.require_version("Gimp", "3.0")
gi.require_version("Gegl", "0.4")
from gi.repository import Gegl, Gimp, Gio  # noqa: E402, F401

OUT = Path(os.environ["OUT"])
PLUG_IN = OUT / "profile" / "plug-ins" / "inpaint-lens"
SERVICE = OUT / "service"
RGBA = "R'G'B'A u8"
WIDTH, HEIGHT = 96, 80
PDB = Gimp.get_pdb()
sys.path.insert(0, str(PLUG_IN))
CASES = {}
NOTHING: Any = None
"""In place of a layer."""
Base, Depth, Kind, Mode = Gimp.ImageBaseType, Gimp.Precision, Gimp.ImageType, Gimp.RunMode


def case(function):
    """A case: its facts are what the function returns."""
    CASES[function.__name__] = function
    return function


def tell():
    """Run all cases; each failure is a fact of its own case."""
    told = {}
    for name, function in CASES.items():
        start = time.perf_counter()
        try:
            told[name] = function()
        except Exception:
            told[name] = {"exception": traceback.format_exc()}
        told[name]["seconds"] = round(time.perf_counter() - start, 3)
        for image in Gimp.get_images():
            image.delete()
        Path(os.environ["ANSWER"]).write_text(json.dumps(told))
    sys.stdout.flush()


def read(drawable, kind: Any = RGBA, box=None):
    box = box or (0, 0, drawable.get_width(), drawable.get_height())
    buffer = drawable.get_buffer()
    data = buffer.get(Gegl.Rectangle.new(*box), 1.0, kind, Gegl.AbyssPolicy.NONE)
    del buffer
    return data


def write(drawable, data, kind=RGBA):
    buffer = drawable.get_buffer()
    buffer.set(Gegl.Rectangle.new(0, 0, drawable.get_width(), drawable.get_height()), kind, data)
    buffer.flush()
    del buffer
    drawable.update(0, 0, drawable.get_width(), drawable.get_height())


def noise(width, height, grey=False, seed=1):
    """Opaque RGBA with some structure."""
    rng = random.Random(seed)
    data = bytearray(rng.randbytes(width * height * 4))
    if grey:
        data[1::4] = data[2::4] = data[0::4]
    data[3::4] = b"\xff" * (width * height)
    return bytes(data)


def layer_in(image, width=WIDTH, height=HEIGHT, kind=Kind.RGBA_IMAGE, name="picture", parent=None, seed=1):
    layer = Gimp.Layer.new(image, name, width, height, kind, 100.0, Gimp.LayerMode.NORMAL)
    image.insert_layer(layer, parent, 0)
    write(layer, noise(width, height, kind in (Kind.GRAY_IMAGE, Kind.GRAYA_IMAGE), seed))
    return layer


def picture(base=Base.RGB, depth=Depth.U8_NON_LINEAR, kind=Kind.RGBA_IMAGE, width=WIDTH, height=HEIGHT):
    """An image with one layer of noise."""
    image = Gimp.Image.new_with_precision(width, height, base, depth)
    return image, layer_in(image, width, height, kind)


def select(image, x=30, y=25, width=20, height=16):
    image.select_rectangle(Gimp.ChannelOps.REPLACE, x, y, width, height)


def call(name, image, drawables, mode=Mode.NONINTERACTIVE, **arguments):
    """Status, sentence, and the layers that came back."""
    procedure = PDB.lookup_procedure(f"plug-in-inpaint-lens-{name}")
    config = procedure.create_config()
    config.set_property("run-mode", mode)
    config.set_property("image", image)
    config.set_core_object_array("drawables", drawables)
    for argument, value in arguments.items():
        config.set_property(argument, value)
    values = procedure.run(config)
    status = values.index(0)
    if status != Gimp.PDBStatusType.SUCCESS:
        return {"status": status.value_nick, "sentence": PDB.get_last_error()}, NOTHING, NOTHING
    return {"status": "success"}, values.index(1), values.index(2)


def fill(image, drawables, **arguments):
    """Quick unless told otherwise."""
    return call("fill", image, drawables, **({"backend": "telea", "explain": False, "feather": 0} | arguments))


def look(layer):
    """A layer as plain values."""
    if not layer:
        return None
    parent = layer.get_parent()
    return {
        "name": layer.get_name(),
        "offset": list(layer.get_offsets()[1:]),
        "size": [layer.get_width(), layer.get_height()],
        "type": layer.type().value_nick,
        "opacity": layer.get_opacity(),
        "visible": layer.get_visible(),
        "group": parent.get_name() if parent else "",
        "image": layer.get_image().get_id(),
    }


def names(layers):
    """Of layers and of those in groups."""
    return [
        [layer.get_name(), names(layer.get_children())] if layer.is_group() else layer.get_name() for layer in layers
    ]


def alpha(layer):
    return read(layer)[3::4]


def coloured(layer):
    """Whether any pixel that shows is not grey."""
    data = read(layer)
    return any(data[i + 3] and not data[i] == data[i + 1] == data[i + 2] for i in range(0, len(data), 4))


def note(layer) -> Any:
    """What a layer remembers."""
    parasite = layer.get_parasite("inpaint-lens")
    return json.loads(bytes(parasite.get_data())) if parasite else None


def running():
    """How many jobs run in the service; 0 if there is none."""
    from lens.connection import Connection
    from lens.errors import Trouble
    from lens.folder import address_in

    address = address_in(SERVICE)
    try:
        return Connection(address, "log").json("GET", "/v1/health")["running"] if address else 0
    except Trouble:
        return 0


def meanwhile(code):
    """Have a second hand run code as soon as the service works on a job."""
    acts = OUT / "acts"
    path = acts / f"{time.monotonic_ns()}.new"
    path.write_text(
        f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\nimport gimp_lib\n"
        f"assert gimp_lib.wait_for(gimp_lib.running)\n{code}"
    )
    path.rename(path.with_suffix(".py"))
    return path


def acted(path):
    """Whether the second hand has done it; raises what it raised."""
    error = path.with_suffix(".error")
    wait_for(path.with_suffix(".done").exists)
    assert not error.exists(), error.read_text()
    return path.with_suffix(".done").exists()


def wait_for(true, limit_s=60.0):
    end = time.monotonic() + limit_s
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return bool(true())

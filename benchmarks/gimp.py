"""What the GIMP plug-in costs over the fill itself.

`python benchmarks/gimp.py [--root DIR] [--repeats N]` runs the plug-in in a real GIMP 3 (in a tree of
`.ci/gimp-root DIR`, also named by INPAINT_LENS_GIMP_ROOT, or else an installed one), warm, on noise of 1024 x 1024 and
2048 x 2048 with a hole of 300 x 300, and prints medians: the whole call, the fill inside it as the service says, and
the difference, which is GIMP, the plug-in's start, the way there and back, and the new layer.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from inpaint_lens.plugin.gimp_setup.installing import SETTINGS, install
from inpaint_lens.plugin.gimp_setup.profiles import Profile

REPOSITORY = Path(__file__).resolve().parent.parent
PLUG_INS = "/usr/lib/x86_64-linux-gnu/gimp/3.0/plug-ins"
SIDES = (1024, 2048)
GOALS_S = {1024: 0.4, 2048: 0.8}
INSIDE = """
import json, os, random, sys, time
import gi
gi.require_version("Gegl", "0.4")
from gi.repository import Gegl, Gimp
sys.path.insert(0, os.environ["GIMP3_DIRECTORY"] + "/plug-ins/inpaint-lens")
from lens import settings, starting
from lens.client import Client, Request

def call(image, layer):
    procedure = Gimp.get_pdb().lookup_procedure("plug-in-inpaint-lens-fill")
    config = procedure.create_config()
    config.set_property("image", image)
    config.set_core_object_array("drawables", [layer])
    config.set_property("backend", "telea")
    config.set_property("explain", False)
    start = time.perf_counter()
    values = procedure.run(config)
    seconds = time.perf_counter() - start
    assert values.index(0) == Gimp.PDBStatusType.SUCCESS, Gimp.get_pdb().get_last_error()
    image.remove_layer(values.index(1))
    return seconds

def inside(side, data):
    mask = bytearray(side * side)
    for y in range(300, 600):
        mask[y * side + 300 : y * side + 600] = b"\\xff" * 300
    client = Client(starting.connect(settings.read(), lambda *_: None, lambda: False))
    request = Request(side, side, data, bytes(mask), {"fill": {"backend": "telea"}})
    return sum(client.fill(request, lambda *_: None, lambda: False).report["seconds"].values())

told = {}
for side in json.loads(os.environ["SIDES"]):
    image = Gimp.Image.new(side, side, Gimp.ImageBaseType.RGB)
    layer = Gimp.Layer.new(image, "noise", side, side, Gimp.ImageType.RGBA_IMAGE, 100.0, Gimp.LayerMode.NORMAL)
    image.insert_layer(layer, None, 0)
    noise = bytearray(random.Random(1).randbytes(4 * side * side))
    noise[3::4] = b"\\xff" * (side * side)
    buffer = layer.get_buffer()
    buffer.set(Gegl.Rectangle.new(0, 0, side, side), "R'G'B'A u8", bytes(noise))
    buffer.flush()
    del buffer
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 300, 300, 300, 300)
    call(image, layer)
    turns = [(call(image, layer), inside(side, bytes(noise))) for _ in range(int(os.environ["REPEATS"]))]
    told[side] = turns
    image.delete()
with open(os.environ["ANSWER"], "w") as answer:
    json.dump(told, answer)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default=os.environ.get("INPAINT_LENS_GIMP_ROOT"), help="tree of .ci/gimp-root")
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gimp-", dir="/tmp") as folder:
        told = measure(Path(folder), options.root, options.repeats)
    print("   side      call      fill  overhead (median)    least     goal")
    for side, turns in told.items():
        calls, fills = ([turn[part] for turn in turns] for part in (0, 1))
        call, fill = statistics.median(calls), statistics.median(fills)
        over, least = call - fill, min(call - fill for call, fill in turns)
        print(f"{side:>7} {call:8.3f} s {fill:7.3f} s {over:7.3f} s {least:16.3f} s {GOALS_S[int(side)]:6.1f} s")


def measure(folder: Path, root: str | None, repeats: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds of the call and of the fill, by turns, for each side."""
    profile = folder / "profile"
    (profile / "plug-ins").mkdir(parents=True)
    (profile / "gimprc").write_text('(plug-in-path "${gimp_dir}/plug-ins")\n')
    (profile / "plug-ins" / "python-eval").symlink_to(f"{PLUG_INS}/python-eval")
    (folder / "service").mkdir(mode=0o700)
    settings = install(Profile(profile)).folder / SETTINGS
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"folder": str(folder / "service")}))
    answer = folder / "answer.json"
    variables = {
        "GIMP3_DIRECTORY": str(profile),
        "ANSWER": str(answer),
        "SIDES": json.dumps(SIDES),
        "REPEATS": str(repeats),
    }
    options = ["-i", "-d", "-f", "--quit", "--batch-interpreter=python-fu-eval", "-b", INSIDE]
    command = ["gimp-console", *options]
    if root:
        seen = sorted({REPOSITORY, Path(sys.prefix), Path(sys.base_prefix)})
        shared = [part for path in seen for part in ("--ro", str(path))] + ["--bind", str(folder)]
        shared += [part for name, value in variables.items() for part in ("--env", f"{name}={value}")]
        command = [str(REPOSITORY / ".ci" / "gimp-root"), "--run", root, *shared, *command]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, timeout=600)
    if not answer.exists():
        sys.exit(done.stderr[-3000:])
    return json.loads(answer.read_text())


if __name__ == "__main__":
    main()

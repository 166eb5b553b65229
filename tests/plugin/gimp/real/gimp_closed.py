# pyright: reportMissingImports=false
"""Beside GIMP: kill it while it waits for a fill, and look what becomes of the job."""

import os
import subprocess
import sys
import time
from pathlib import Path

OUT, HERE = Path(os.environ["OUT"]), Path(__file__).resolve().parent
sys.path.insert(0, str(OUT / "profile" / "plug-ins" / "inpaint-lens"))
from lens.connection import Connection  # noqa: E402
from lens.errors import Trouble  # noqa: E402
from lens.folder import address_in  # noqa: E402

SLOW = """
from gimp_lib import *
image, layer = picture(width=640, height=480)
select(image, 200, 150, 200, 160)
fill(image, [layer], backend="lens-small", explain=True)
"""


def running():
    """How many jobs run; None where no service answers."""
    address = address_in(OUT / "service")
    try:
        return Connection(address, "log").json("GET", "/v1/health")["running"] if address else None
    except Trouble:
        return None


def wait_for(true):
    end = time.monotonic() + 60
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    assert true()


line = f"import sys; sys.path.insert(0, {str(HERE)!r}); exec({SLOW!r})"
gimp = subprocess.Popen(["gimp-console", "-i", "-d", "-f", "--quit", "--batch-interpreter=python-fu-eval", "-b", line])
wait_for(running)
gimp.kill()
gimp.wait()
wait_for(lambda: running() == 0)
sys.stdout.write("the service is idle\n")

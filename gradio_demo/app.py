"""The page by itself: `python gradio_demo/app.py` in a clone, or the app file of a Hugging Face Space."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from threading import Thread

if importlib.util.find_spec("spaces"):
    importlib.import_module("spaces")  # ZeroGPU asks to come before torch


def find_package() -> None:
    """Make `inpaint_lens` importable where it is not installed but this file lies in a clone of it."""
    root = Path(__file__).resolve().parents[1]
    start = root / "__init__.py"
    if importlib.util.find_spec("inpaint_lens") or not start.exists():
        return
    spec = importlib.util.spec_from_file_location("inpaint_lens", start, submodule_search_locations=[str(root)])
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["inpaint_lens"] = package
    spec.loader.exec_module(package)


def main() -> None:
    """Serve the page until stopped: to everyone on a Space, else to this machine only."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    find_package()
    from inpaint_lens.plugin.service.settings import ServiceSettings, auth_from

    on_space = "SPACE_ID" in os.environ
    settings = ServiceSettings(
        host="0.0.0.0" if on_space else "127.0.0.1",
        port=int(os.environ.get("PORT", "7860")),
        auth=auth_from(None),
        allow_remote=on_space,
        max_pixels=24_000_000,
        max_bytes=64 * 1024**2,
    )
    if os.environ.get("SPACES_ZERO_GPU"):
        launch(settings)
    else:
        serve(settings)


def serve(settings) -> None:
    """The page and `/v1`, as `inpaint-lens serve` gives them."""
    from inpaint_lens.gradio_demo import mount
    from inpaint_lens.gradio_demo.warm_up import warm_up
    from inpaint_lens.plugin.service.app import create_app
    from inpaint_lens.plugin.service.server import address, listen, make_server

    with listen(settings) as socket:
        app = create_app(settings, lambda app, jobs: mount(app, jobs, settings))
        sys.stdout.write(f"Inpaint Lens is at {address(settings, socket)}\n")
        sys.stdout.flush()
        Thread(target=warm_up, args=(app.state.jobs,), daemon=True).start()
        make_server(app).run(sockets=[socket])


def launch(settings) -> None:
    """The page alone, started by Gradio, which ZeroGPU needs."""
    from inpaint_lens.gradio_demo.gate import refuse_addresses
    from inpaint_lens.gradio_demo.mounting import look_and_limits
    from inpaint_lens.gradio_demo.pages import build
    from inpaint_lens.plugin.service.idle import give_back_memory
    from inpaint_lens.plugin.service.jobs import Jobs

    jobs = Jobs(settings.queue, idle_unload_s=settings.idle_unload_s, on_idle=give_back_memory)
    refuse_addresses()
    build(jobs, settings.limits).launch(
        server_name=settings.host, server_port=settings.port, **look_and_limits(settings)
    )


if __name__ == "__main__":
    main()

"""`python -m inpaint_lens.weights_registry`: the same as `inpaint-lens download`."""

from .commands import main

if __name__ == "__main__":
    raise SystemExit(main())

"""The pages: fill, explain, exclude, refill and compare in the browser; also a Hugging Face Space (see README.md)."""

from . import environment  # isort: skip  # sets what Gradio reads when it is imported
from .mounting import mount

__all__ = ["environment", "mount"]

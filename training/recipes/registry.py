"""Recipes by name; nothing is imported before it is asked for."""

from __future__ import annotations

import difflib
from importlib import import_module

from ...imaging.errors import InputError
from ..config import Config
from .protocol import Recipe

RECIPES = {
    "inpainting": "inpaint_lens.training.recipes.inpainting:InpaintingRecipe",
}
"""`module:class` by name; the class is called with the configuration of the run."""


def make_recipe(config: Config) -> Recipe:
    """The recipe that a configuration names, its networks fresh.

    Raises:
        InputError: there is no such recipe, or its settings are wrong.
        MissingError: it needs weights that are not named.
    """
    name = config.recipe.get("name")
    if name not in RECIPES:
        near = difflib.get_close_matches(str(name), RECIPES, 1, 0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"take one of {', '.join(RECIPES)}."
        raise InputError(f"[recipe] name: there is no recipe '{name}': {hint}")
    module, _, kind = RECIPES[name].partition(":")
    return getattr(import_module(module), kind)(config)

"""Recipes by name; nothing is imported before it is asked for."""

from __future__ import annotations

import difflib
from importlib import import_module

from ...imaging.errors import InputError
from ..config import Config
from .protocol import Recipe

RECIPES = {
    "aot_gan": "inpaint_lens.training.recipes.aot_gan:AotGanRecipe",
    "context_encoder": "inpaint_lens.training.recipes.context_encoder:ContextEncoderRecipe",
    "deepfill_v1": "inpaint_lens.training.recipes.deepfill_v1:DeepFillV1Recipe",
    "deepfill_v2": "inpaint_lens.training.recipes.deepfill_v2:DeepFillV2Recipe",
    "dual_path": "inpaint_lens.training.recipes.dual_path:DualPathRecipe",
    "edgeconnect": "inpaint_lens.training.recipes.edgeconnect:CompletionRecipe",
    "edgeconnect_edges": "inpaint_lens.training.recipes.edgeconnect:EdgeRecipe",
    "edgeconnect_joint": "inpaint_lens.training.recipes.edgeconnect_joint:JointRecipe",
    "glcic": "inpaint_lens.training.recipes.glcic:GlcicRecipe",
    "inpainting": "inpaint_lens.training.recipes.inpainting:InpaintingRecipe",
    "pconv": "inpaint_lens.training.recipes.pconv:PconvRecipe",
    "quality_words": "inpaint_lens.training.recipes.quality_words:QualityWordsRecipe",
    "restoration": "inpaint_lens.training.recipes.restoration:RestorationRecipe",
    "restoration_by_words": "inpaint_lens.training.recipes.restoration_by_words:RestorationByWordsRecipe",
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

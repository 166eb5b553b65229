from pathlib import Path

import pytest
from inpaint_lens.training.config import read_config
from inpaint_lens.training.holes import check_kinds
from inpaint_lens.training.recipes.registry import make_recipe

FILES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))
OF_VGG = ("perceptual", "style", "lpips", "lpips_hole")


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_every_recipe_file_makes_networks(file):
    config = read_config(file)
    check_kinds(config.holes.kinds)
    without = [f"losses.{name}=0" for name in OF_VGG if name in config.losses]
    recipe = make_recipe(read_config(file, without))
    assert recipe.networks.keys() == recipe.optimisers.keys()
    assert len(recipe.phases(0)) >= 1

"""The backends that come with the package, as data. A new one is its own file and one entry in one of these lists."""

from __future__ import annotations

from ..imaging.size_rule import SizeRule
from .catalog_networks import NETWORKS
from .protocol import BackendInfo

LENS_SMALL = (
    BackendInfo(
        name="lens-small",
        title="LensSmall, the network that ships with the package",
        loader="inpaint_lens.backends.lens_small:load",
        licence="Apache-2.0",
        commercial_use=True,
        size_rule=SizeRule(minimum=32, multiple_of=16, largest=512),
        differentiable=True,
        learned=True,
        gpu=True,
        paper="fast Fourier convolutions (Chi 2020), contextual residual aggregation (Yi 2020)",
        advice="works at once and can be explained by every method; best for small and middle-sized holes",
    ),
)
CLASSICAL = (
    BackendInfo(
        name="patchmatch",
        title="PatchMatch, copies patches of the picture itself",
        loader="inpaint_lens.backends.patchmatch:load",
        licence="MIT",
        commercial_use=True,
        modules=("patchmatch",),
        extra="patchmatch",
        paper="Barnes et al. 2009, PatchMatch: A Randomized Correspondence Algorithm for Structural Image Editing",
        advice="the strongest fill without a download, above all for textures; not for things that must be invented",
    ),
    BackendInfo(
        name="telea",
        title="Fast marching (Telea), OpenCV",
        loader="inpaint_lens.backends.classical:load",
        licence="Apache-2.0",
        commercial_use=True,
        paper="Telea 2004, An Image Inpainting Technique Based on the Fast Marching Method",
        advice="instant; for scratches and specks",
    ),
    BackendInfo(
        name="navier-stokes",
        title="Navier-Stokes, OpenCV",
        loader="inpaint_lens.backends.classical:load",
        licence="Apache-2.0",
        commercial_use=True,
        paper="Bertalmio et al. 2001, Navier-Stokes, Fluid Dynamics, and Image and Video Inpainting",
        advice="instant; for scratches and specks, keeps edges running into the hole",
    ),
)
BUILT_IN = LENS_SMALL + NETWORKS + CLASSICAL

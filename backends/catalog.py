"""The backends that come with the package, as data. A new one is its own file and one entry in one of these lists."""

from __future__ import annotations

from ..imaging.size_rule import SizeRule
from .catalog_networks import NETWORKS
from .diffusion.models import INFOS
from .protocol import BackendInfo, Setting

LENS_SMALL = (
    BackendInfo(
        name="lens-small",
        title="LensSmall, the package's network with texture copied from the picture",
        loader="inpaint_lens.backends.lens_small:load",
        licence="Apache-2.0",
        commercial_use=True,
        size_rule=SizeRule(minimum=32, multiple_of=32, largest=512),
        differentiable=True,
        stochastic=True,
        learned=True,
        gpu=True,
        paper="fast Fourier convolutions (Chi 2020); Image Analogies (Hertzmann 2001); Wexler 2007",
        advice="works at once, sharp, and can be explained by every method; best for small and middle-sized holes",
    ),
)
CLASSICAL = (
    BackendInfo(
        name="exemplar",
        title="PatchMatch with provenance: says for each pixel where it was copied from",
        loader="inpaint_lens.backends.exemplar.backend:load",
        licence="Apache-2.0",
        commercial_use=True,
        size_rule=SizeRule(largest=1024),
        stochastic=True,
        copies=True,
        settings=(
            Setting("patch", 7, "side of the patches in pixels, odd", 3, 15),
            Setting("rounds", 2, "rounds of each search for alike patches", 1, 20),
        ),
        paper="Wexler et al. 2007, Space-Time Completion of Video; Barnes et al. 2009, PatchMatch",
        advice="copies textures and says from where; what you exclude is never copied",
    ),
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
    BackendInfo(
        name="isophote",
        title="Isophote diffusion (Bertalmio)",
        loader="inpaint_lens.backends.isophote:load",
        licence="Apache-2.0",
        commercial_use=True,
        size_rule=SizeRule(largest=512),
        differentiable=True,
        settings=(
            Setting("iterations", 12, "rounds of transport and diffusion at each scale, at most", 1, 1000),
            Setting("transport-steps", 15, "steps along the lines of equal brightness in each round", 1, 1000),
            Setting("diffusion-steps", 2, "steps of smoothing along these lines in each round", 0, 1000),
        ),
        paper="Bertalmio et al. 2000, Image Inpainting",
        advice="continues lines into scratches and small holes; can be explained by every method",
    ),
    BackendInfo(
        name="total-variation",
        title="Total variation (Chan and Shen)",
        loader="inpaint_lens.backends.total_variation:load",
        licence="Apache-2.0",
        commercial_use=True,
        size_rule=SizeRule(largest=512),
        settings=(
            Setting("iterations", 500, "iterations at most", 1, 10000),
            Setting("tolerance-percent", 1.0, "how far above the least variation the fill may be", 0.01, 100),
        ),
        paper="Chan and Shen 2002, Mathematical Models for Local Nontexture Inpaintings",
        advice="flat areas with sharp borders, as in drawings and screenshots; for scratches and small holes",
    ),
    BackendInfo(
        name="biharmonic",
        title="Biharmonic, scikit-image",
        loader="inpaint_lens.backends.biharmonic:load",
        licence="BSD-3-Clause",
        commercial_use=True,
        size_rule=SizeRule(largest=256),
        modules=("skimage",),
        extra="classical",
        paper="Damelin and Hoang 2018, On Surface Completion and Image Inpainting by Biharmonic Functions",
        advice="smooth continuation of shades and slopes into scratches and small holes",
    ),
)
RESTORATION = (
    BackendInfo(
        name="restore",
        title="Restoration: a network trained by `feedback` that improves what is selected",
        loader="inpaint_lens.backends.restoration:load",
        licence="that of the weights you give",
        commercial_use=False,
        task="restore",
        learned=True,
        gpu=True,
        differentiable=True,
        weights=("restore",),
        paper="Chen et al. 2022, Simple Baselines for Image Restoration",
        advice="removes blur, noise, scratches and missing parts; give weights that you have trained or NAFNet's own",
    ),
)
BUILT_IN = LENS_SMALL + NETWORKS + CLASSICAL + INFOS + RESTORATION

"""The diffusion models that can fill, as data. A new one is one row of `MODELS`; nothing is imported or loaded here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ...imaging.size_rule import SizeRule
from ..protocol import BackendInfo, Setting

HalfType = Literal["float16", "bfloat16"]
MODULES = ("diffusers", "transformers", "accelerate")
OFFLOADS = ("none", "model", "sequential")
"""How parts of a model share a GPU: all stay there, one part at a time, one layer at a time."""


@dataclass(frozen=True)
class Model:
    """One inpainting pipeline of diffusers and how it is called.

    Attributes:
        name, title, licence, commercial_use, paper, advice: as in `BackendInfo`.
        weights: the catalog entry, a folder that holds a pipeline.
        pipeline: class in diffusers that fills.
        kinds: classes that a folder may name and that this pipeline can take over.
        sizes: sizes that it was made for.
        steps, guidance, strength: what its makers advise.
        guidance_argument: what the pipeline calls it.
        unguided: the value that switches classifier-free guidance off (Ho & Salimans 2022); None where guidance is
            an input of the network instead.
        negative: whether it takes a negative prompt.
        blank: the text that stands for an empty negative prompt; None = the pipeline uses something else than text.
        mask_cells: side, in cells of the latent picture, of what the pipeline calls hole or known as a whole; 0 =
            it looks at single pixels.
        half: the half-precision type that it runs in on a GPU.
        large: too large for most computers in full precision, so that a CPU too takes half precision.
        full_decoder: its pipeline decodes in full precision, since half precision overflows there.
    """

    name: str
    title: str
    weights: str
    pipeline: str
    kinds: tuple[str, ...]
    licence: str
    commercial_use: bool
    sizes: SizeRule
    steps: int
    guidance: float
    paper: str
    advice: str
    strength: float = 1.0
    guidance_argument: str = "guidance_scale"
    unguided: float | None = 1.0
    negative: bool = True
    blank: str | None = ""
    mask_cells: int = 1
    half: HalfType = "bfloat16"
    large: bool = True
    full_decoder: bool = False

    @property
    def info(self) -> BackendInfo:
        """The backend that this row makes."""
        return BackendInfo(
            name=self.name,
            title=self.title,
            loader="inpaint_lens.backends.diffusion.adapter:load",
            licence=self.licence,
            commercial_use=self.commercial_use,
            size_rule=self.sizes,
            stochastic=True,
            many_seeds=True,
            learned=True,
            weights=(self.weights,),
            settings=self.settings,
            modules=MODULES,
            gpu=True,
            extra="diffusion",
            paper=self.paper,
            advice=self.advice,
        )

    @property
    def settings(self) -> tuple[Setting, ...]:
        """What a person can choose about it."""
        avoided = Setting("negative-prompt", "", "what to keep out of the fill, in words; has a say where guidance has")
        return (
            Setting("prompt", "", "what to paint, in words; empty = whatever goes with the surroundings"),
            *([avoided] if self.negative else []),
            Setting("steps", self.steps, "denoising steps; more take longer", low=1, high=200),
            Setting("guidance", self.guidance, "how closely to follow the prompt", low=0, high=100),
            Setting(
                "strength",
                self.strength,
                "1 = paint anew; less = start from the colours around the hole, in that share of the steps",
                low=0.05,
                high=1,
            ),
            Setting("offload", "none", "spare GPU memory, at a loss of speed; needs a GPU", choices=OFFLOADS),
            Setting("tiling", False, "decode in tiles, to spare memory; may show at their borders"),
            Setting(
                "precision",
                "auto",
                "type of the numbers; auto = half precision on a GPU",
                choices=("auto", "float32", "bfloat16", "float16"),
            ),
        )


_LATENT_DIFFUSION = "Rombach et al. 2022, High-Resolution Image Synthesis with Latent Diffusion Models"

MODELS = (
    Model(
        name="sd15-inpaint",
        title="Stable Diffusion 1.5 inpainting",
        weights="sd15-inpaint",
        pipeline="StableDiffusionInpaintPipeline",
        kinds=("StableDiffusionInpaintPipeline", "StableDiffusionPipeline"),
        licence="CreativeML-OpenRAIL-M",
        commercial_use=True,
        sizes=SizeRule(minimum=512, multiple_of=8, largest=512),
        steps=30,
        guidance=7.5,
        half="float16",
        large=False,
        paper=_LATENT_DIFFUSION,
        advice="invents what words ask for; the lightest of the diffusion models, for a GPU with 4 GB",
    ),
    Model(
        name="sdxl-inpaint",
        title="Stable Diffusion XL inpainting 0.1",
        weights="sdxl-inpaint",
        pipeline="StableDiffusionXLInpaintPipeline",
        kinds=("StableDiffusionXLInpaintPipeline", "StableDiffusionXLPipeline"),
        licence="CreativeML-OpenRAIL++-M",
        commercial_use=True,
        sizes=SizeRule(minimum=768, multiple_of=8, largest=1024),
        steps=30,
        guidance=7.5,
        strength=0.99,
        blank=None,
        half="float16",
        large=False,
        full_decoder=True,
        paper="Podell et al. 2024, SDXL: Improving Latent Diffusion Models for High-Resolution Image Synthesis",
        advice="invents what words ask for, at 1024 pixels; for a GPU with 10 GB",
    ),
    Model(
        name="flux1-fill",
        title="FLUX.1 Fill [dev]",
        weights="flux1-fill",
        pipeline="FluxFillPipeline",
        kinds=("FluxFillPipeline",),
        licence="FLUX.1-dev-Non-Commercial",
        commercial_use=False,
        sizes=SizeRule(minimum=512, multiple_of=16, largest=1024),
        steps=50,
        guidance=30.0,
        unguided=None,
        negative=False,
        mask_cells=0,
        paper="Black Forest Labs 2024, FLUX.1 Tools",
        advice="among the best fills from words; for a GPU with 40 GB, or 24 GB and offload=model",
    ),
    Model(
        name="flux2-klein",
        title="FLUX.2 [klein] 4B",
        weights="flux2-klein",
        pipeline="Flux2KleinInpaintPipeline",
        kinds=("Flux2KleinInpaintPipeline", "Flux2KleinPipeline"),
        licence="Apache-2.0",
        commercial_use=True,
        sizes=SizeRule(minimum=512, multiple_of=16, largest=1024),
        steps=4,
        guidance=1.0,
        negative=False,
        mask_cells=2,
        paper="Black Forest Labs 2026, FLUX.2 [klein]",
        advice="quick fills from words in four steps, free licence; for a GPU with 20 GB, or 12 GB and offload=model",
    ),
    Model(
        name="qwen-image",
        title="Qwen-Image, as an inpainter",
        weights="qwen-image",
        pipeline="QwenImageInpaintPipeline",
        kinds=("QwenImageInpaintPipeline", "QwenImagePipeline"),
        licence="Apache-2.0",
        commercial_use=True,
        sizes=SizeRule(minimum=512, multiple_of=16, largest=1328),
        steps=50,
        guidance=4.0,
        guidance_argument="true_cfg_scale",
        blank=" ",
        paper="Wu et al. 2025, Qwen-Image Technical Report",
        advice="paints writing well, in Chinese too; for a GPU with 64 GB, or 48 GB and offload=model",
    ),
    Model(
        name="z-image",
        title="Z-Image Turbo, as an inpainter",
        weights="z-image",
        pipeline="ZImageInpaintPipeline",
        kinds=("ZImageInpaintPipeline", "ZImagePipeline"),
        licence="Apache-2.0",
        commercial_use=True,
        sizes=SizeRule(minimum=512, multiple_of=16, largest=1024),
        steps=9,
        guidance=0.0,
        unguided=0.0,
        paper="Tongyi-MAI 2025, Z-Image: An Efficient Image Generation Foundation Model",
        advice="quick fills from words in nine steps; for a GPU with 24 GB, or 16 GB and offload=model",
    ),
)

REPAINT = BackendInfo(
    name="repaint",
    title="RePaint over an unconditional DDPM",
    loader="inpaint_lens.backends.diffusion.repaint:load",
    licence="Apache-2.0",
    commercial_use=True,
    size_rule=SizeRule(fixed=256),
    stochastic=True,
    many_seeds=True,
    learned=True,
    weights=("ddpm-celebahq",),
    settings=(
        Setting("steps", 250, "steps of the chain; fewer are quicker", low=2, high=1000),
        Setting("jump-length", 10, "steps to go back into the noise at a time", low=1, high=999),
        Setting("jump-resamples", 10, "how often each part of the chain is gone through; 1 = once", low=1, high=100),
        Setting("eta", 1.0, "noise in each step; 1 = as in the paper, 0 = none", low=0, high=1),
    ),
    modules=("diffusers",),
    gpu=True,
    extra="diffusion",
    paper="Lugmayr et al. 2022, RePaint: Inpainting using Denoising Diffusion Probabilistic Models",
    advice="fills by any unconditional diffusion model, such as one of faces; some thousand steps, so take a GPU",
)

INFOS = (*(model.info for model in MODELS), REPAINT)
"""The backends of this package."""


def model_of(name: str) -> Model:
    """The row of the backend `name`."""
    return next(model for model in MODELS if model.name == name)

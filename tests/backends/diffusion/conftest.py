"""Tiny diffusion models with random weights, one of each family, saved as the Hub's folders are."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from inpaint_lens.backends.diffusion.models import MODELS, model_of

if TYPE_CHECKING:
    from inpaint_lens.backends.diffusion.adapter import DiffusionBackend


class Late:
    """A library that is imported when something of it is asked for, so that its tests can be skipped without it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(import_module(self.name), attribute)


kit, words = Late("diffusers"), Late("transformers")

NAMES = tuple(model.name for model in MODELS)
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# The letters by which both kinds of byte-level tokenisers write plain English.
LETTERS = [*(chr(code) for code in range(33, 127)), "Ġ", "Ċ"]


def clip_tokenizer() -> Any:
    """Letters only."""
    tokens = ["<|startoftext|>", "<|endoftext|>", *LETTERS, *(f"{letter}</w>" for letter in LETTERS)]
    return words.CLIPTokenizer({word: index for index, word in enumerate(tokens)}, [], model_max_length=77)


def qwen_tokenizer() -> Any:
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *LETTERS]
    return words.Qwen2Tokenizer({word: index for index, word in enumerate(tokens)}, [], chat_template=CHAT)


def t5_tokenizer() -> Any:
    tokens = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), *((chr(97 + i), -3.0) for i in range(26))]
    return words.T5Tokenizer(tokens, extra_ids=0, model_max_length=512)


def clip_text(projection: int = 0) -> Any:
    kind = words.CLIPTextModelWithProjection if projection else words.CLIPTextModel
    return kind(
        words.CLIPTextConfig(
            vocab_size=600, hidden_size=8, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
            projection_dim=projection or 8, bos_token_id=0, eos_token_id=1, pad_token_id=1,
        )
    )  # fmt: skip


def qwen3_text(kind: type, layers: int) -> Any:
    return kind(
        words.Qwen3Config(
            vocab_size=300, hidden_size=8, intermediate_size=16, num_hidden_layers=layers, num_attention_heads=2,
            num_key_value_heads=1, head_dim=4, max_position_embeddings=600, pad_token_id=0, bos_token_id=None,
            eos_token_id=0,
        )
    )  # fmt: skip


def vae(channels: int, **more: Any) -> Any:
    return kit.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(4, 8), norm_num_groups=2, latent_channels=channels, **more,
    )  # fmt: skip


def unet(text: int, channels: int = 9, **more: Any) -> Any:
    return kit.UNet2DConditionModel(
        sample_size=16, in_channels=channels, out_channels=4, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), block_out_channels=(4, 8), layers_per_block=1,
        norm_num_groups=2, attention_head_dim=2, cross_attention_dim=text, **more,
    )  # fmt: skip


def stable_diffusion(channels: int = 9, checker: Any = None, extractor: Any = None) -> Any:
    return kit.StableDiffusionInpaintPipeline(
        vae=vae(4), text_encoder=clip_text(), tokenizer=clip_tokenizer(), unet=unet(8, channels),
        scheduler=kit.DDIMScheduler(steps_offset=1, clip_sample=False),
        safety_checker=checker, feature_extractor=extractor, requires_safety_checker=False,
    )  # fmt: skip


def stable_diffusion_xl() -> Any:
    return kit.StableDiffusionXLInpaintPipeline(
        vae=vae(4), text_encoder=clip_text(), text_encoder_2=clip_text(8), tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(), scheduler=kit.EulerDiscreteScheduler(timestep_spacing="leading", steps_offset=1),
        unet=unet(
            16, addition_embed_type="text_time", addition_time_embed_dim=4, projection_class_embeddings_input_dim=32
        ),
    )  # fmt: skip


def prudish_stable_diffusion() -> Any:
    """One whose safety checker objects to everything."""
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker

    seeing = {
        "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 8,
        "patch_size": 4,
    }  # fmt: skip
    checker = StableDiffusionSafetyChecker(words.CLIPConfig(vision_config=seeing, projection_dim=8))
    checker.concept_embeds_weights.data.fill_(-2)
    side = {"height": 8, "width": 8}
    return stable_diffusion(checker=checker, extractor=words.CLIPImageProcessor(size=side, crop_size=side))


def flux_fill() -> Any:
    return kit.FluxFillPipeline(
        scheduler=kit.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True), vae=vae(4, shift_factor=0.1),
        text_encoder=clip_text(), tokenizer=clip_tokenizer(), tokenizer_2=t5_tokenizer(),
        text_encoder_2=words.T5EncoderModel(
            words.T5Config(vocab_size=40, d_model=8, d_kv=4, d_ff=16, num_layers=1, num_heads=2, pad_token_id=0)
        ),
        transformer=kit.FluxTransformer2DModel(
            in_channels=2 * 16 + 4 * 2 * 2, out_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=8,
            num_attention_heads=2, joint_attention_dim=8, pooled_projection_dim=8, guidance_embeds=True,
            axes_dims_rope=(2, 2, 4),
        ),
    )  # fmt: skip


def flux2_klein() -> Any:
    return kit.Flux2KleinPipeline(
        scheduler=kit.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=kit.AutoencoderKLFlux2(
            down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
            block_out_channels=(4, 8), layers_per_block=1, norm_num_groups=2, latent_channels=4,
        ),
        text_encoder=qwen3_text(words.Qwen3ForCausalLM, 28), tokenizer=qwen_tokenizer(),
        transformer=kit.Flux2Transformer2DModel(
            in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=8, num_attention_heads=2,
            joint_attention_dim=24, timestep_guidance_channels=8, axes_dims_rope=(2, 2, 2, 2), guidance_embeds=False,
        ),
    )  # fmt: skip


def qwen_image() -> Any:
    text = {
        "vocab_size": 300, "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 2048,
        "rope_scaling": {"type": "default", "mrope_section": [1, 1, 0]}, "pad_token_id": 0, "bos_token_id": 0,
        "eos_token_id": 0,
    }  # fmt: skip
    seeing = {
        "depth": 1, "hidden_size": 8, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 8,
        "fullatt_block_indexes": [0],
    }  # fmt: skip
    return kit.QwenImagePipeline(
        scheduler=kit.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=kit.AutoencoderKLQwenImage(
            base_dim=4, z_dim=4, dim_mult=[1, 2], num_res_blocks=1, temperal_downsample=[False],
            latents_mean=[0.0] * 4, latents_std=[1.0] * 4,
        ),
        text_encoder=words.Qwen2_5_VLForConditionalGeneration(
            words.Qwen2_5_VLConfig(text_config=text, vision_config=seeing)
        ),
        tokenizer=qwen_tokenizer(),
        transformer=kit.QwenImageTransformer2DModel(
            in_channels=16, out_channels=4, num_layers=1, attention_head_dim=8, num_attention_heads=2,
            joint_attention_dim=8, axes_dims_rope=(2, 2, 4),
        ),
    )  # fmt: skip


def z_image() -> Any:
    return kit.ZImagePipeline(
        scheduler=kit.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True), vae=vae(4, shift_factor=0.1),
        text_encoder=qwen3_text(words.Qwen3Model, 2), tokenizer=qwen_tokenizer(),
        transformer=kit.ZImageTransformer2DModel(
            in_channels=4, dim=16, n_layers=1, n_refiner_layers=1, n_heads=2, n_kv_heads=2, cap_feat_dim=8,
            axes_dims=[2, 2, 4], axes_lens=[1024, 64, 64],
        ),
    )  # fmt: skip


MAKERS: dict[str, Callable[[], Any]] = {
    "sd15-inpaint": stable_diffusion,
    "sdxl-inpaint": stable_diffusion_xl,
    "flux1-fill": flux_fill,
    "flux2-klein": flux2_klein,
    "qwen-image": qwen_image,
    "z-image": z_image,
}


def seeded(maker: Callable[[], Any]) -> Any:
    """What `maker` makes, always with the same weights, its decoder damped so that few values reach 0 or 1."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        made = maker()
    if hasattr(made, "vae"):
        made.vae.decoder.conv_out.weight.data *= 0.2
    return made


@pytest.fixture(scope="session")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of a tiny pipeline for each model."""
    root = tmp_path_factory.mktemp("pipelines")
    for name, maker in MAKERS.items():
        seeded(maker).save_pretrained(root / name)
    return {name: root / name for name in MAKERS}


@pytest.fixture
def makers() -> dict[str, Callable[..., Any]]:
    """Makers of pipelines that are unlike the usual ones."""
    return {"plain": lambda: stable_diffusion(channels=4), "prudish": prudish_stable_diffusion}


def opened(name: str, path: Path) -> DiffusionBackend:
    """The backend `name` over the pipeline in a folder, on the CPU."""
    from inpaint_lens.backends.diffusion.adapter import DiffusionBackend
    from inpaint_lens.backends.diffusion.folder import open_folder

    model = model_of(name)
    return DiffusionBackend(model.info, model, open_folder(path, model.kinds, name), "cpu")


@pytest.fixture
def save_pipeline(tmp_path: Path) -> Callable[[Callable[[], Any]], Path]:
    """Makes a pipeline and saves it in a folder of its own."""

    def save(maker: Callable[[], Any]) -> Path:
        seeded(maker).save_pretrained(tmp_path / "saved")
        return tmp_path / "saved"

    return save


@pytest.fixture(scope="session")
def open_backend() -> Callable[[str, Path], DiffusionBackend]:
    """Opens the folder of a pipeline for a backend."""
    return opened


@pytest.fixture(scope="session", params=NAMES)
def backend(request: pytest.FixtureRequest, pipelines: dict[str, Path]) -> DiffusionBackend:
    """Each model in turn."""
    return opened(request.param, pipelines[request.param])


@pytest.fixture(scope="session")
def stable(pipelines: dict[str, Path]) -> DiffusionBackend:
    """The quickest of them, for what is common to all."""
    return opened("sd15-inpaint", pipelines["sd15-inpaint"])


@pytest.fixture
def catalogued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Path], None]:
    """Let a folder stand in for the weights of that name, which are given an entry in a catalog of their own."""

    def put(name: str, folder: Path) -> None:
        lines = [
            f"[{name}]", 'title = "tiny"', 'source = "hub"', 'repo = "nobody/tiny"', f'revision = "{"0" * 40}"',
            'include = ["*"]', 'licence = "MIT"', "commercial_use = true", 'format = "diffusers"',
            'purpose = "diffusion"', 'use = "tests"', 'upstream = "none"',
        ]  # fmt: skip
        (tmp_path / "catalog.toml").write_text("\n".join(lines))
        monkeypatch.setenv("INPAINT_LENS_CATALOG", str(tmp_path / "catalog.toml"))
        monkeypatch.setenv("INPAINT_LENS_WEIGHTS", f"{name}={folder}")

    return put

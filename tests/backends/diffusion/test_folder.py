"""What a folder has to be, told before anything of it is loaded."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from inpaint_lens.backends.diffusion.folder import open_folder
from inpaint_lens.backends.diffusion.models import model_of
from inpaint_lens.imaging.errors import LensError, MissingError, WeightsError
from safetensors.torch import load_file, save_file

diffusers = pytest.importorskip("diffusers", reason="needs inpaint-lens[diffusion]")

KINDS = model_of("sd15-inpaint").kinds


@pytest.fixture
def folder(pipelines, tmp_path):
    """A copy of a folder of Stable Diffusion, to be spoilt."""
    return shutil.copytree(pipelines["sd15-inpaint"], tmp_path / "model")


def rewrite(folder: Path, **changes: object) -> None:
    path = folder / "model_index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refusal(folder: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        open_folder(folder, KINDS, "sd15-inpaint")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_backend_is_loaded_from_the_folder_that_stands_in_for_its_weights(pipelines, catalogued, image, hole):
    from inpaint_lens.backends.diffusion.adapter import load

    catalogued("z-image", pipelines["z-image"])
    backend = load(model_of("z-image").info, "cpu")
    assert backend.folder.kind == "ZImagePipeline"
    assert backend(image, hole, settings={"steps": 1}).shape == image.shape


def test_weights_that_are_not_here_are_missing_with_size_and_licence(catalogued, monkeypatch, tmp_path):
    from inpaint_lens.backends.diffusion.adapter import load

    catalogued("z-image", tmp_path)
    monkeypatch.delenv("INPAINT_LENS_WEIGHTS")
    with pytest.raises(MissingError, match=r"inpaint-lens download z-image.*licence MIT"):
        load(model_of("z-image").info, "cpu")


def test_a_version_of_diffusers_without_the_pipeline_is_told(monkeypatch):
    from inpaint_lens.backends.diffusion.loading import pipeline_class

    monkeypatch.setattr(diffusers, "ZImageInpaintPipeline", None)
    with pytest.raises(MissingError, match=r"needs ZImageInpaintPipeline, which diffusers .* does not have"):
        pipeline_class(model_of("z-image"))


def test_a_folder_without_a_description_is_no_pipeline(tmp_path):
    assert "is no folder of a diffusers pipeline" in refusal(tmp_path)


def test_a_description_that_is_no_json_is_told(folder):
    (folder / "model_index.json").write_text("{")
    assert "cannot be read" in refusal(folder)


def test_a_pipeline_of_another_kind_is_told_with_the_kind_that_is_needed(pipelines):
    assert "holds a FluxFillPipeline and sd15-inpaint needs a StableDiffusionInpaintPipeline" in refusal(
        pipelines["flux1-fill"]
    )


def test_a_missing_part_is_named(folder):
    shutil.rmtree(folder / "unet")
    assert "lacks the part 'unet'" in refusal(folder)


def test_weights_in_another_format_than_safetensors_are_refused(folder):
    (folder / "unet" / "diffusion_pytorch_model.safetensors").rename(folder / "unet" / "diffusion_pytorch_model.bin")
    assert "unet has no weights as safetensors" in refusal(folder)


def test_a_cut_file_is_told(folder):
    path = folder / "vae" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:40])
    assert "is damaged" in refusal(folder)


def test_a_pickle_under_the_name_of_safetensors_is_refused(folder):
    torch.save({"a": torch.zeros(1)}, folder / "vae" / "diffusion_pytorch_model.safetensors")
    assert "is damaged" in refusal(folder)


@pytest.mark.parametrize(
    "part", [["os", "system"], ["my_code", "Net"], ["transformers", "AutoModel"]], ids=["module", "file", "auto"]
)
def test_a_folder_that_could_run_code_of_its_own_is_refused(folder, part):
    rewrite(folder, unet=part)
    assert "may run code of its own, so it is refused" in refusal(folder)


def test_a_file_of_code_beside_the_weights_is_refused_if_it_would_be_taken(folder):
    (folder / "unet" / "diffusers.py").write_text("raise SystemExit")
    assert "may run code of its own" in refusal(folder)


def test_a_part_outside_of_the_folder_is_refused(folder):
    rewrite(folder, **{"../unet": ["diffusers", "UNet2DConditionModel"]})
    assert "may run code of its own" in refusal(folder)


def test_sizes_are_those_of_the_networks(folder):
    parts = {part.name: part for part in open_folder(folder, KINDS, "sd15-inpaint").parts}
    assert set(parts) == {"text_encoder", "unet", "vae"}
    tensors = load_file(folder / "unet" / "diffusion_pytorch_model.safetensors").values()
    assert parts["unet"].values == sum(tensor.numel() for tensor in tensors)
    assert parts["unet"].largest == max(tensor.numel() for tensor in tensors)


def test_half_precision_files_alone_are_found_and_loaded(folder, image, hole, open_backend):
    whole = open_backend("sd15-inpaint", folder)(image, hole, settings={"steps": 2})
    for file in folder.glob("*/*.safetensors"):
        stem = file.name.removesuffix(".safetensors")
        save_file(
            {key: value.half() for key, value in load_file(file).items()}, file.with_name(f"{stem}.fp16.safetensors")
        )
        file.unlink()
    backend = open_backend("sd15-inpaint", folder)
    assert backend.folder.variant == "fp16"
    assert torch.allclose(backend(image, hole, settings={"steps": 2}), whole, atol=0.05)


def test_weights_that_do_not_fit_their_description_are_told_in_one_line(folder, image, hole, open_backend):
    path = folder / "unet" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"block_out_channels": [4, 16]}))
    with pytest.raises(LensError, match="cannot be loaded as sd15-inpaint") as caught:
        open_backend("sd15-inpaint", folder)(image, hole, settings={"steps": 2})
    assert "\n" not in str(caught.value)

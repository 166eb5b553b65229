"""RePaint over a tiny diffusion model with random weights."""

from math import sqrt
from pathlib import PurePosixPath
from typing import Any

import pytest
import torch
from inpaint_lens.backends.diffusion.models import REPAINT
from inpaint_lens.imaging.errors import Cancelled, InputError, WeightsError
from inpaint_lens.imaging.monitor import CancelToken, Monitor
from inpaint_lens.imaging.size_rule import SizeRule

diffusers: Any = pytest.importorskip("diffusers", reason="needs inpaint-lens[diffusion]")

STEPS, LENGTH, RESAMPLES = 12, 3, 3
CHOSEN = {"steps": STEPS, "jump-length": LENGTH, "jump-resamples": RESAMPLES}


def network(**more):
    return diffusers.UNet2DModel(
        sample_size=16, down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(4, 8), layers_per_block=1, norm_num_groups=2, attention_head_dim=4, **more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def make_folder(tmp_path_factory):
    """Saves a tiny model whose schedule has as many steps as asked, which clips or not."""

    def make(trained=STEPS, clip=False, kind=diffusers.DDPMPipeline, **more):
        with torch.random.fork_rng():
            torch.manual_seed(2)
            scheduler = diffusers.DDPMScheduler(trained, beta_start=0.02, beta_end=0.3, clip_sample=clip)
            pipeline = kind(network(**more), scheduler)
        folder = tmp_path_factory.mktemp("ddpm")
        pipeline.save_pretrained(folder)
        return folder

    return make


@pytest.fixture
def open_model(make_folder, catalogued):
    """Makes a tiny model and opens it."""

    def opened(**how):
        from inpaint_lens.backends.diffusion.repaint import load

        catalogued("ddpm-celebahq", make_folder(**how))
        return load(REPAINT, "cpu")

    return opened


@pytest.fixture
def small(image, hole, exclude):
    """Picture, hole and excluded pixels of 16 x 16."""
    return image[..., 16:32, 16:32], hole[..., 16:32, 16:32], exclude[..., 16:32, 30:46]


def algorithm_1(model, image, known, seed, clip):
    """The paper's algorithm 1, its schedule that of the appendix, drawing the same numbers in the same order."""
    betas = torch.linspace(0.02, 0.3, STEPS, dtype=torch.float32).double()
    alphas = 1 - betas
    bars = torch.cumprod(alphas, 0)
    generator = torch.Generator().manual_seed(seed)

    def draw():
        return torch.randn(image.shape[1:], generator=generator)[None].double()

    x0 = image.double() * 2 - 1
    jumps = dict.fromkeys(range(0, STEPS - LENGTH, LENGTH), RESAMPLES - 1)
    x, t = draw(), STEPS
    while t >= 1:
        bar = bars[t - 1]
        before = bars[t - 2] if t > 1 else torch.tensor(1.0, dtype=torch.float64)
        epsilon = draw() if t > 1 else torch.zeros_like(x)
        x_known = sqrt(before) * x0 + sqrt(1 - before) * epsilon
        z = draw() if t > 1 else torch.zeros_like(x)
        predicted = model(x.float(), torch.tensor([t - 1])).sample.double()
        sigma = sqrt((1 - before) / (1 - bar) * betas[t - 1])
        if clip:
            foreseen = ((x - sqrt(1 - bar) * predicted) / sqrt(bar)).clamp(-1, 1)
            mean = (sqrt(before) * betas[t - 1] * foreseen + sqrt(alphas[t - 1]) * (1 - before) * x) / (1 - bar)
        else:
            mean = (x - betas[t - 1] / sqrt(1 - bar) * predicted) / sqrt(alphas[t - 1])
        x = known * x_known + (1 - known) * (mean + sigma * z)
        t -= 1
        if jumps.get(t - 1, 0) > 0:
            jumps[t - 1] -= 1
            for _ in range(LENGTH):
                t += 1
                x = sqrt(1 - betas[t - 1]) * x + sqrt(betas[t - 1]) * draw()
    return (x + 1) / 2


@pytest.mark.parametrize("clip", [False, True])
@torch.no_grad()
def test_a_fill_is_what_algorithm_1_of_the_paper_gives(open_model, small, clip):
    """Each picture that the network sees on the way, and the last one."""
    backend = open_model(clip=clip)
    image, hole, _ = small
    seen = []
    backend.diffusion.network.register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0]))
    output = backend(image, hole, seed=11, settings=CHOSEN)
    ours = seen.copy()
    seen.clear()
    expected = algorithm_1(backend.diffusion.network, image, 1 - hole, 11, clip)
    assert (output - expected.clamp(0, 1)).abs().max() < 1e-5
    assert len(ours) == len(seen) == STEPS + 3 * 2 * LENGTH
    for mine, theirs in zip(ours, seen, strict=True):
        assert (mine - theirs).abs().max() < 1e-5 * max(1.0, theirs.abs().max().item())


def test_the_known_part_comes_out_as_it_went_in(open_model, small):
    image, hole, _ = small
    output = open_model()(image, hole, settings=CHOSEN)
    assert torch.allclose(output * (1 - hole), image * (1 - hole), atol=1e-6)


def test_hidden_pixels_have_no_influence(open_model, small):
    image, hole, exclude = small
    backend = open_model()
    hidden = (hole + exclude > 0).expand_as(image)
    expected = backend(image, hole, exclude=exclude, settings=CHOSEN)
    assert torch.equal(backend(torch.where(hidden, torch.nan, image), hole, exclude=exclude, settings=CHOSEN), expected)
    assert not torch.equal(backend(image, hole, settings=CHOSEN) * hole, expected * hole)


def test_seeds_make_fills_and_a_batch_is_as_each_alone(open_model, small):
    image, hole, _ = small
    backend = open_model()
    before = torch.get_rng_state()
    both = backend(image.expand(2, -1, -1, -1), hole.expand(2, -1, -1, -1), seed=[1, 2], settings=CHOSEN)
    assert torch.allclose(both[:1], backend(image, hole, seed=1, settings=CHOSEN), atol=1e-5)
    assert torch.allclose(both[1:], backend(image, hole, seed=2, settings=CHOSEN), atol=1e-5)
    assert not torch.allclose(both[0], both[1], atol=1e-2)
    assert torch.equal(torch.get_rng_state(), before)


def test_without_noise_in_the_steps_the_fill_is_another(open_model, small):
    image, hole, _ = small
    backend = open_model()
    assert not torch.allclose(
        backend(image, hole, settings=CHOSEN), backend(image, hole, settings=CHOSEN | {"eta": 0.0})
    )


def test_a_chain_can_be_shortened(open_model, small):
    image, hole, _ = small
    seen = []
    backend = open_model(trained=100)
    backend.diffusion.network.register_forward_pre_hook(lambda _m, inputs: seen.append(int(inputs[1][0])))
    backend(image, hole, settings={"steps": 4, "jump-length": 1, "jump-resamples": 1})
    assert seen == [99, 66, 33, 0]


def test_progress_grows_to_the_end_over_the_whole_way(open_model, small):
    image, hole, _ = small
    shares = []
    open_model()(image, hole, monitor=Monitor(lambda _stage, share: shares.append(share)), settings=CHOSEN)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) == 1 + STEPS + 3 * 2 * LENGTH


def test_a_cancelled_run_ends_within_a_step(open_model, small):
    image, hole, _ = small
    token, shares = CancelToken(), []

    def tell(_stage, share):
        shares.append(share)
        if len(shares) == 3:
            token.cancel()

    with pytest.raises(Cancelled):
        open_model()(image, hole, monitor=Monitor(tell, token), settings=CHOSEN)
    assert len(shares) == 3


def test_the_size_is_that_of_the_model(open_model):
    assert open_model().info.size_rule == SizeRule(fixed=16)


def test_more_steps_than_the_model_knows_are_refused(open_model, small):
    with pytest.raises(InputError, match="steps is 13 and the model was trained on 12"):
        open_model()(*small[:2], settings=CHOSEN | {"steps": 13})


def test_jumps_as_long_as_the_chain_are_refused(open_model, small):
    with pytest.raises(InputError, match="jump-length is 12, as long as the chain of 12 steps"):
        open_model()(*small[:2], settings=CHOSEN | {"jump-length": 12})


def test_a_model_with_classes_is_refused(open_model):
    with pytest.raises(WeightsError, match="no unconditional model of colour pictures"):
        open_model(num_class_embeds=4)


def test_a_model_of_grey_pictures_is_refused(open_model):
    with pytest.raises(WeightsError, match="no unconditional model of colour pictures"):
        open_model(in_channels=1, out_channels=1)


def test_a_pipeline_of_another_kind_is_refused(catalogued, pipelines):
    from inpaint_lens.backends.diffusion.repaint import load

    catalogued("ddpm-celebahq", pipelines["sd15-inpaint"])
    with pytest.raises(WeightsError, match="holds a StableDiffusionInpaintPipeline and repaint needs"):
        load(REPAINT, "cpu")


def test_a_network_that_learned_variances_too_is_taken(open_model, small):
    assert open_model(out_channels=6)(*small[:2], settings=CHOSEN).shape == small[0].shape


def test_older_folders_without_subfolders_and_with_older_names_are_read(make_folder, catalogued, small):
    from inpaint_lens.backends.diffusion.repaint import load
    from safetensors.torch import load_file, save_file

    folder = make_folder()
    catalogued("ddpm-celebahq", folder)
    expected = load(REPAINT, "cpu")(*small[:2], settings=CHOSEN)
    for file in [*folder.glob("unet/*"), *folder.glob("scheduler/*")]:
        file.rename(folder / file.name)
    weights = folder / "diffusion_pytorch_model.safetensors"
    save_file({older(key): value for key, value in load_file(weights).items()}, weights)
    for part in ("unet", "scheduler"):
        (folder / part).rmdir()
    assert torch.equal(load(REPAINT, "cpu")(*small[:2], settings=CHOSEN), expected)


def older(key):
    """What diffusers called a parameter in 2022."""
    for new, old in (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")):
        key = key.replace(new, old)
    return key


def test_a_file_of_tensors_saved_by_torch_is_read_and_other_pickles_are_not(make_folder, catalogued, small):
    from inpaint_lens.backends.diffusion.repaint import load
    from safetensors.torch import load_file

    folder = make_folder() / "unet"
    state = load_file(folder / "diffusion_pytorch_model.safetensors")
    (folder / "diffusion_pytorch_model.safetensors").unlink()
    catalogued("ddpm-celebahq", folder.parent)
    torch.save(state, folder / "diffusion_pytorch_model.bin")
    assert load(REPAINT, "cpu")(*small[:2], settings=CHOSEN).shape == small[0].shape
    torch.save({"a": PurePosixPath("x")}, folder / "diffusion_pytorch_model.bin")
    with pytest.raises(WeightsError, match="cannot be loaded as repaint"):
        load(REPAINT, "cpu")

"""Every family of models, tiny and with random weights, through the one adapter."""

import math
import random
from threading import Event, Thread

import numpy as np
import pytest
import torch
from inpaint_lens.backends.diffusion.models import model_of
from inpaint_lens.backends.diffusion.preparing import on_grid
from inpaint_lens.imaging.errors import Cancelled, InputError, LensError
from inpaint_lens.imaging.monitor import CancelToken, Monitor
from torch.nn.functional import avg_pool2d, max_pool2d

pytest.importorskip("diffusers", reason="needs inpaint-lens[diffusion]")

FULL = {"precision": "float32"}
"""For comparisons: in half precision a batch differs from its pictures by rounding."""
QUICK = {**FULL, "steps": 2, "strength": 1.0}


@pytest.fixture
def pictures(image):
    """Two pictures, `[2, 3, 64, 64]`."""
    return torch.cat([image, image.flip(-1)])


@pytest.fixture
def odd_hole(hole):
    """A hole whose border runs through the cells of every model's grid."""
    return hole.roll((1, 1), (-2, -1))


def shares_of(backend, image, hole, **settings):
    """The shares that a fill reports."""
    told = []
    backend(image, hole, monitor=Monitor(lambda stage, share: told.append((stage, share))), settings=settings)
    return [share for stage, share in told if stage == "filling"]


def opened_pipeline(backend, image, hole):
    """The pipeline inside, after a run in full precision."""
    backend(image, hole, settings=QUICK)
    return backend._pipeline


def test_a_fill_is_a_picture_of_the_same_size(backend, image, hole):
    output = backend(image, hole, settings={"steps": 2})
    assert output.shape == image.shape
    assert output.dtype == torch.float32
    assert output.isfinite().all()
    assert output.min() >= 0
    assert output.max() <= 1
    assert output.std() > 0.01


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(backend, image, hole):
    first, again, other = (backend(image, hole, seed=seed, settings=QUICK) for seed in (7, 7, 8))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=1e-3)


def test_a_fill_leaves_the_global_random_numbers_alone(backend, image, hole):
    before = torch.get_rng_state(), np.random.get_state(legacy=False)["state"]["key"].tolist(), random.getstate()
    backend(image, hole, settings=QUICK)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state(legacy=False)["state"]["key"].tolist() == before[1]
    assert random.getstate() == before[2]


def test_pictures_of_a_batch_are_filled_as_each_alone(backend, pictures, hole):
    together = backend(pictures, torch.cat([hole, hole.flip(-2)]), seed=[3, 4], settings=QUICK)
    first = backend(pictures[:1], hole, seed=3, settings=QUICK)
    second = backend(pictures[1:], hole.flip(-2), seed=4, settings=QUICK)
    assert torch.allclose(together, torch.cat([first, second]), atol=1e-4)


def test_one_seed_is_the_seed_of_every_picture(backend, image, hole):
    both = backend(image.expand(2, -1, -1, -1), hole.expand(2, -1, -1, -1), seed=5, settings=QUICK)
    assert torch.allclose(both[0], both[1], atol=1e-4)


def test_what_lies_under_hole_and_exclude_has_no_influence(backend, image, hole, exclude):
    for strength in (1.0, 0.6):
        chosen = {**QUICK, "strength": strength}
        expected = backend(image, hole, exclude=exclude, settings=chosen)
        hidden = (hole + exclude > 0).expand_as(image)
        assert torch.equal(
            backend(torch.where(hidden, torch.nan, image), hole, exclude=exclude, settings=chosen), expected
        )
        assert torch.equal(backend(torch.where(hidden, 1.0, image), hole, exclude=exclude, settings=chosen), expected)


def test_known_pixels_have_an_influence_and_excluded_ones_had_it_before(backend, image, hole, exclude):
    darker = torch.where(exclude > 0, image / 4, image)
    seen, unseen = (backend(picture, hole, settings=QUICK) for picture in (image, darker))
    assert not torch.equal(seen * hole, unseen * hole)


def test_a_cancelled_run_ends_within_a_step_and_the_next_one_works(backend, image, hole):
    expected = backend(image, hole, settings=QUICK)
    token, told = CancelToken(), []

    def tell(_stage, share):
        told.append(share)
        if share > 0:
            token.cancel()

    with pytest.raises(Cancelled):
        backend(image, hole, monitor=Monitor(tell, token), settings={**QUICK, "steps": 8})
    assert sum(share > 0 for share in told) == 1
    assert torch.equal(backend(image, hole, settings=QUICK), expected)


def test_a_run_that_is_cancelled_within_a_step_does_not_end_that_step(stable, image, hole):
    token, ended = CancelToken(), []
    network = opened_pipeline(stable, image, hole).unet
    handles = [
        network.conv_in.register_forward_hook(lambda *_: token.cancel()),
        network.register_forward_hook(lambda *_: ended.append(1)),
    ]
    with pytest.raises(Cancelled):
        stable(image, hole, monitor=Monitor(token=token), settings=QUICK)
    for handle in handles:
        handle.remove()
    assert not ended


def test_progress_grows_and_counts_the_steps(backend, image, hole):
    shares = shares_of(backend, image, hole, **QUICK | {"steps": 5})
    assert shares == sorted(shares)
    assert sum(share > 0 for share in shares) == 5
    assert shares[-1] == pytest.approx(0.95)


def test_less_strength_takes_that_share_of_the_steps(backend, image, hole):
    assert sum(share > 0 for share in shares_of(backend, image, hole, **QUICK | {"steps": 6, "strength": 0.5})) == 3


def test_more_steps_give_another_fill(backend, image, hole):
    two, four = (backend(image, hole, settings={**QUICK, "steps": steps}) for steps in (2, 4))
    assert not torch.allclose(two, four, atol=1e-3)


def test_the_prompt_has_a_say(backend, image, hole):
    guided = {**QUICK, "guidance": 20.0}
    plain, asked = (backend(image, hole, settings={**guided, "prompt": text}) for text in ("", "a red kite"))
    assert not torch.equal(plain, asked)


@pytest.mark.parametrize("backend", ["sd15-inpaint", "sdxl-inpaint"], indirect=True)
def test_a_network_for_filling_is_told_the_hole_on_its_own_grid(backend, image, odd_hole):
    seen, network = [], opened_pipeline(backend, image, odd_hole).unet
    handle = network.register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0][:1, 4:5]))
    backend(image, odd_hole, settings=QUICK)
    handle.remove()
    assert torch.equal(seen[0], max_pool2d(odd_hole, 2))


@pytest.mark.parametrize("backend", ["flux1-fill"], indirect=True)
def test_a_network_that_looks_at_single_pixels_is_told_the_hole_pixel_by_pixel(backend, image, hole):
    seen, network = [], opened_pipeline(backend, image, hole).transformer
    handle = network.register_forward_pre_hook(
        lambda _m, _inputs, named: seen.append(named["hidden_states"][0, :, -16:]), with_kwargs=True
    )
    backend(image, hole, settings=QUICK)
    handle.remove()
    assert torch.equal(seen[0].sum(1).view(16, 16), avg_pool2d(hole, 4, divisor_override=1)[0, 0])


@pytest.mark.parametrize("backend", ["flux2-klein", "qwen-image", "z-image"], indirect=True)
def test_a_network_for_painting_keeps_the_known_part(backend, image, odd_hole, monkeypatch):
    seen, network = [], opened_pipeline(backend, image, odd_hole).vae
    decode = network.decode
    monkeypatch.setattr(network, "decode", lambda latent, **how: seen.append(latent) or decode(latent, **how))
    for prompt in ("a red kite", "snow"):
        backend(image, odd_hole, settings={**QUICK, "prompt": prompt})
    first, second = (latent.flatten(1, -3).sum(1) for latent in seen)
    cells = max_pool2d(on_grid(odd_hole, 2 * backend.model.mask_cells), 2)[:, 0] > 0
    assert torch.equal(first[~cells], second[~cells])
    assert (first != second)[cells].float().mean() > 0.9


def test_the_negative_prompt_has_a_say_where_there_is_one(backend, image, hole):
    asked = {**QUICK, "guidance": 20.0, "prompt": "a red kite"}
    if not backend.model.negative:
        with pytest.raises(InputError, match="negative-prompt"):
            backend(image, hole, settings={**asked, "negative-prompt": "clouds"})
        return
    plain, avoiding = (backend(image, hole, settings={**asked, "negative-prompt": text}) for text in ("", "clouds"))
    assert not torch.equal(plain, avoiding)


@pytest.mark.parametrize("backend", ["sd15-inpaint", "flux2-klein", "qwen-image", "z-image"], indirect=True)
def test_guidance_between_equal_words_costs_nothing(backend, image, hole):
    calls, pipeline = [], opened_pipeline(backend, image, hole)
    network = pipeline.unet if hasattr(pipeline, "unet") else pipeline.transformer
    handle = network.register_forward_hook(lambda _m, inputs, output: calls.append(1))
    try:
        strong = backend(image, hole, settings={**QUICK, "guidance": 9.0})
    finally:
        handle.remove()
    assert len(calls) == 2
    assert torch.equal(strong, backend(image, hole, settings={**QUICK, "guidance": backend.model.unguided}))


def test_nothing_is_printed(backend, image, hole, capfd):
    backend(image, hole, settings=QUICK)
    assert capfd.readouterr() == ("", "")


def test_a_second_run_waits_for_the_first_and_can_be_cancelled_meanwhile(stable, image, hole):
    expected = stable(image, hole, settings=QUICK)
    begun, go_on, got = Event(), Event(), []

    def tell(_stage, share):
        begun.set()
        go_on.wait(30)

    first = Thread(target=lambda: got.append(stable(image, hole, monitor=Monitor(tell), settings=QUICK)))
    first.start()
    begun.wait(30)
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        stable(image, hole, monitor=Monitor(token=token), settings=QUICK)
    go_on.set()
    first.join(30)
    assert torch.equal(got[0], expected)


def test_too_few_steps_for_the_strength_are_refused_with_the_number_that_would_do(stable, image, hole):
    with pytest.raises(InputError, match="give 4 steps or more"):
        stable(image, hole, settings={"steps": 3, "strength": 0.3})


def test_offloading_without_a_gpu_is_refused(stable, image, hole):
    with pytest.raises(InputError, match="runs on the CPU: leave offload at none"):
        stable(image, hole, settings={"offload": "model"})


def test_seeds_that_are_not_one_for_each_picture_are_refused(stable, image, hole):
    with pytest.raises(InputError, match="3 seeds were given for 1 picture"):
        stable(image, hole, seed=[1, 2, 3])


def test_sides_that_the_model_does_not_take_are_refused(stable):
    with pytest.raises(InputError, match="multiples of 8, not 20 x 16"):
        stable(torch.zeros(1, 3, 16, 20), torch.ones(1, 1, 16, 20))


def test_tiles_are_decoded_to_nearly_the_same(backend, image, hole):
    whole, tiled = (backend(image, hole, settings={**QUICK, "tiling": tiling}) for tiling in (False, True))
    assert (whole - tiled).abs().mean() < 0.05


def test_a_fill_that_the_safety_checker_withholds_is_an_error_and_no_black_picture(
    save_pipeline, makers, open_backend, image, hole
):
    prudish = open_backend("sd15-inpaint", save_pipeline(makers["prudish"]))
    with pytest.raises(LensError, match="safety checker that comes with sd15-inpaint withheld"):
        prudish(image, hole, settings=QUICK)


def test_a_model_that_never_learned_to_fill_is_taken_too(save_pipeline, makers, open_backend, image, hole):
    plain = open_backend("sd15-inpaint", save_pipeline(makers["plain"]))
    output = plain(image, hole, settings=QUICK)
    assert output.isfinite().all()
    assert torch.equal(plain(torch.where(hole > 0, 1.0, image), hole, settings=QUICK), output)


@pytest.mark.parametrize("name", ["sd15-inpaint", "flux1-fill", "z-image"])
def test_rows_make_settings_that_the_registry_can_check(name):
    model = model_of(name)
    for setting in model.info.settings:
        if isinstance(setting.default, float):
            assert (setting.low or 0) <= setting.default <= (setting.high or math.inf)
        assert not setting.choices or setting.default in setting.choices

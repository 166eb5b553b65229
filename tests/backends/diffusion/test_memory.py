import pytest
import torch
from inpaint_lens.backends.diffusion.folder import ModelFolder, Part
from inpaint_lens.backends.diffusion.models import model_of
from inpaint_lens.backends.settings import checked
from inpaint_lens.imaging.errors import LensError

pytest.importorskip("diffusers", reason="needs inpaint-lens[diffusion]")

from inpaint_lens.backends.diffusion import memory
from inpaint_lens.backends.diffusion.loading import dtype_for, load_pipeline


@pytest.fixture
def folder(tmp_path):
    """A model of 3 and 1 thousand million numbers, its largest tensor of 100 million."""
    return ModelFolder(tmp_path, "X", "", (Part("unet", 3 * 10**9, 10**8), Part("vae", 10**9, 10**7)))


def test_what_stays_on_the_device_is_everything_a_part_or_a_tensor(folder):
    needs = memory.needed(folder, 2, 0)
    assert needs == {"none": 8 * 10**9, "model": 6 * 10**9, "sequential": 2 * 10**8}


def test_pictures_take_memory_too(folder):
    small, large = (memory.needed(folder, 2, side * side)["none"] for side in (512, 1024))
    assert large - small == 3 * 512 * 512 * memory.VALUES_PER_PIXEL * 2
    assert memory.needed(folder, 2, 100, full_decoder=True)["none"] - 8 * 10**9 == 100 * memory.VALUES_PER_PIXEL * 4


def test_a_part_that_runs_alone_shares_its_room_with_no_other(folder):
    decoding = 10**7 * memory.VALUES_PER_PIXEL * 2
    assert memory.needed(folder, 2, 10**7)["model"] == max(6 * 10**9 + decoding // 2, 2 * 10**9 + decoding)


def told(monkeypatch, needs, device, offload, **free):
    monkeypatch.setattr(memory, "available", lambda place: free[place.partition(":")[0]])
    with pytest.raises(LensError) as caught:
        memory.check_memory("some", device, needs, offload)
    return str(caught.value)


def test_a_model_that_fits_is_let_through(monkeypatch, folder):
    monkeypatch.setattr(memory, "available", lambda place: 9 * 10**9)
    memory.check_memory("some", "cuda", memory.needed(folder, 2, 0), "none")


def test_the_first_way_of_offloading_that_fits_is_offered(monkeypatch, folder):
    needs = memory.needed(folder, 2, 0)
    sentence = told(monkeypatch, needs, "cuda:1", "none", cuda=7 * 10**9, cpu=10**11)
    assert "needs about 8.0 GB of memory on cuda:1 and 7.0 GB is free" in sentence
    assert "give --set offload=model (about 6.0 GB)" in sentence
    assert "offload=sequential (about 200 MB)" in told(monkeypatch, needs, "cuda", "model", cuda=5 * 10**9, cpu=10**11)
    assert "offload" not in told(monkeypatch, needs, "cuda", "sequential", cuda=10**8, cpu=10**11)


def test_a_cpu_is_offered_no_offloading(monkeypatch, folder):
    sentence = told(monkeypatch, memory.needed(folder, 4, 0), "cpu", "none", cpu=9 * 10**9)
    assert "offload" not in sentence
    assert "precision=bfloat16" in sentence


def test_offloaded_parts_have_to_fit_the_computer(monkeypatch, folder):
    sentence = told(monkeypatch, memory.needed(folder, 2, 0), "cuda", "model", cuda=10**11, cpu=7 * 10**9)
    assert "passes through the computer's memory and needs about 8.0 GB there" in sentence


def test_too_little_memory_is_told_before_anything_is_loaded(pipelines, image, hole, monkeypatch, open_backend):
    monkeypatch.setattr(memory, "available", lambda place: 10**6)
    backend = open_backend("sd15-inpaint", pipelines["sd15-inpaint"])
    with pytest.raises(LensError, match=r"sd15-inpaint needs about \d+ MB of memory on cpu and 1.0 MB is free"):
        backend(image, hole)
    assert backend._pipeline is None


def test_memory_of_this_computer_is_some():
    assert memory.available("cpu") > 10**6


@pytest.mark.parametrize(
    ("name", "device", "precision", "expected"),
    [
        ("sd15-inpaint", "cpu", "auto", torch.float32),
        ("sd15-inpaint", "cuda", "auto", torch.float16),
        ("flux1-fill", "cpu", "auto", torch.bfloat16),
        ("flux1-fill", "cuda", "auto", torch.bfloat16),
        ("flux1-fill", "cuda", "float32", torch.float32),
    ],
)
def test_precision_goes_by_device_and_model(name, device, precision, expected):
    assert dtype_for(model_of(name), device, precision) == expected


@pytest.mark.parametrize("offload", ["none", "model"])
def test_offloaded_parts_give_the_same_fill_and_survive_a_run_that_ends_early(stable, image, hole, offload):
    """On a CPU, which accelerate takes as a GPU for whole parts, but not for layers."""
    settings = checked(stable.info, {"steps": 2, "precision": "float32"})
    expected = stable(image, hole, settings=settings)
    stops = []

    def check():
        if stops:
            raise KeyboardInterrupt

    pipeline = load_pipeline(stable.folder, stable.model, "cpu", torch.float32, offload, check)
    request = stable._request(pipeline, image, hole, settings)
    stops.append(1)
    with pytest.raises(KeyboardInterrupt):
        pipeline(**request)
    stops.clear()
    pipeline.maybe_free_model_hooks()
    output = pipeline(**request, generator=torch.Generator().manual_seed(0)).images
    assert torch.allclose(output, expected, atol=1e-5)

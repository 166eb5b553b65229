import json

import pytest
import torch
from inpaint_lens.backends.nets.nafnet import Block, NafNet, nafnet
from inpaint_lens.backends.nets.restoring_diffusion import RestoringDiffusion
from inpaint_lens.backends.restoration import OVERLAP_PX, TILE_PX, RestorationBackend, load_network, restore
from inpaint_lens.imaging.errors import InputError, MissingError, WeightsError
from inpaint_lens.training.feedback.clip import ClipWords
from inpaint_lens.training.feedback.configuration import FirstModel, SecondModel, parse_task, read_task, table_of
from inpaint_lens.training.feedback.models import make_first, make_second, save_model, structure_of
from inpaint_lens.training.feedback.sharpness import gradient_energy, psnr, true_detail
from inpaint_lens.training.feedback.similarity import similarity
from torch import nn

from .conftest import SMALL


class Doubling(nn.Module):
    """Looks at single pixels only, so that tiles must not be seen in its result."""

    def forward(self, image):
        return 0.5 * image + 0.25


def seeded(make, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()


def test_a_fresh_block_changes_nothing():
    features = torch.rand(1, 4, 6, 6)
    torch.testing.assert_close(Block(4)(features), features)


def test_the_gate_and_the_attention_of_a_block_are_those_of_the_paper():
    block = seeded(lambda: Block(2)).double()
    nn.init.ones_(block.beta)
    x = torch.rand(1, 2, 5, 5, dtype=torch.float64)
    mean = x.mean(1, keepdim=True)
    normed = (x - mean) / (x.var(1, unbiased=False, keepdim=True) + 1e-6).sqrt()
    a, b = block.conv2(block.conv1(normed)).chunk(2, 1)
    weights = block.sca[1](torch.nn.functional.adaptive_avg_pool2d(a * b, 1))
    torch.testing.assert_close(block(x), x + block.conv3(a * b * weights))


@pytest.mark.parametrize("size", [(16, 16), (17, 23), (5, 9)])
def test_any_size_comes_out_as_it_went_in(size):
    image = torch.rand(2, 3, *size)
    assert NafNet(4, (1, 1), 1, (1, 1))(image).shape == image.shape


def test_the_structure_follows_from_the_shapes():
    network = NafNet(6, (1, 2), 3, (2, 1))
    again = nafnet({key: tuple(value.shape) for key, value in network.state_dict().items()})
    assert {k: v.shape for k, v in again.state_dict().items()} == {k: v.shape for k, v in network.state_dict().items()}


@pytest.mark.parametrize("kind", ["nafnet", "ddpm"])
def test_a_saved_model_is_loaded_without_its_task(kind, tmp_path):
    settings = FirstModel(kind, width=4, channels=(8, 16))
    network = seeded(lambda: make_first(settings)).eval()
    save_model(network, tmp_path / "model.safetensors", structure_of(settings))
    image = torch.rand(1, 3, 20, 24)
    with torch.no_grad():
        again = restore(load_network(tmp_path / "model.safetensors").eval(), image, seed=3)
        torch.testing.assert_close(again, restore(network, image, seed=3))


def test_weights_of_another_network_are_refused(tmp_path):
    save_model(nn.Linear(2, 2), tmp_path / "model.safetensors", {"kind": "nafnet"})
    with pytest.raises(WeightsError):
        load_network(tmp_path / "model.safetensors")


def test_diffusion_starts_from_its_own_seed_and_leaves_the_global_one():
    network = seeded(lambda: RestoringDiffusion((8, 16))).eval()
    image, before = torch.rand(1, 3, 16, 16), torch.get_rng_state()
    one, same, other = (network.restore(image, steps=3, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("size", [(TILE_PX + 1, 40), (700, 2 * TILE_PX - OVERLAP_PX + 3)])
def test_tiles_of_a_large_picture_meet_without_seams(size):
    image = torch.rand(1, 3, *size)
    torch.testing.assert_close(restore(Doubling(), image), Doubling()(image))


def test_the_backend_sees_the_selection_and_has_gradients():
    from inpaint_lens.backends.protocol import Backend, BackendInfo

    backend = RestorationBackend(BackendInfo("restore", "", "", "MIT", True), Doubling(), "cpu")
    image, hole = torch.rand(1, 3, 8, 8, requires_grad=True), torch.ones(1, 1, 8, 8)
    restored = backend(image, hole)
    assert isinstance(backend, Backend)
    torch.testing.assert_close(restored, 0.5 * image + 0.25)
    (slope,) = torch.autograd.grad(restored.sum(), image)
    torch.testing.assert_close(slope, torch.full_like(slope, 0.5))


def test_similarity_depends_on_the_seeds_alone_and_not_on_the_batch():
    words = seeded(lambda: make_second(SecondModel(width=8))).eval()
    pictures, draw = torch.rand(3, 3, 40, 40), torch.tensor([5, 6, 7])
    numbers = torch.stack([words.encode(text) for text in ("hair clear", "hair not clear", "sky no noise")])
    both = similarity(words, pictures, numbers, draw, 2)
    single = [similarity(words, pictures[i : i + 1], numbers[i : i + 1], draw[i : i + 1], 2) for i in range(3)]
    torch.testing.assert_close(both, torch.cat(single))
    assert both.shape == (3,) and (both.abs() <= 1).all()


def test_detail_that_is_not_in_the_truth_adds_nothing():
    lots = torch.Generator().manual_seed(1)  # of one stream, so that the noise has nothing of the truth
    truth = torch.rand(4, 3, 32, 32, generator=lots)
    soft = torch.nn.functional.avg_pool2d(truth, 3, 1, 1)
    noisy = soft + 0.3 * torch.randn(soft.shape, generator=lots)
    torch.testing.assert_close(true_detail(truth, truth), torch.ones(4))
    assert (gradient_energy(noisy) > 2 * gradient_energy(soft)).all()
    torch.testing.assert_close(true_detail(noisy, truth), true_detail(soft, truth), atol=0.08, rtol=0)
    assert (psnr(truth, truth) == 100).all()


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A CLIP of a few thousand weights with a tokeniser that knows a few words."""
    transformers, tokenizers = pytest.importorskip("transformers"), pytest.importorskip("tokenizers")
    folder = tmp_path_factory.mktemp("clip")
    names = ["<s>", "</s>", "<unk>", "hair", "is", "not", "clear", "sharp"]
    vocabulary = {word: number for number, word in enumerate(names)}
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    inner.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="</s>"
    ).save_pretrained(folder)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.CLIPConfig(
        text_config={**sizes, "vocab_size": 8, "max_position_embeddings": 8, "eos_token_id": 1, "bos_token_id": 0},
        vision_config={**sizes, "image_size": 32, "patch_size": 16},
        projection_dim=8,
    )
    seeded(lambda: transformers.CLIPModel(config)).save_pretrained(folder)
    return folder


def test_clip_judges_pictures_and_texts_and_trains_its_projections(clip):
    model = ClipWords(clip)
    numbers = torch.stack([model.encode("hair is clear"), model.encode("hair is not clear")])
    cosine, logit = model(torch.rand(2, 3, 40, 40), numbers)
    assert cosine.shape == logit.shape == (2,) and (cosine.abs() <= 1).all()
    trainable = {name for name, value in model.named_parameters() if value.requires_grad}
    assert trainable == {"clip.visual_projection.weight", "clip.text_projection.weight", "log_scale", "bias"}


def test_clip_does_not_look_at_padding(clip):
    model = ClipWords(clip).eval()
    numbers = model.encode("hair is clear")[None]
    image = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(model(image, numbers)[0], model(image, numbers[:, :5])[0])


def test_clip_refuses_a_text_that_is_too_long(clip):
    with pytest.raises(InputError, match="12 tokens and CLIP takes 8"):
        ClipWords(clip).encode("hair " * 10)


def test_clip_that_is_not_here_is_asked_for_by_its_name(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises((MissingError, InputError), match="clip-vit-b32-transformers"):
        make_second(SecondModel("clip"))


def test_a_folder_without_clip_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="holds no CLIP"):
        make_second(SecondModel("clip", folder=tmp_path))


def test_settings_come_back_as_they_were_written(empty):
    assert read_task(empty.folder) == SMALL
    assert json.loads(json.dumps(SMALL.name)) == "small"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("first_model.kind=unet", "take one of nafnet, ddpm"),
        ("los=mse", "did you mean 'loss'"),
        ("side=3", "from 24 to 2048"),
        ("first_model.encoder=[1]", "differ in length"),
        ("first_model.channels=[10, 16]", "multiples of 8"),
        ("nothing", "is no setting"),
    ],
)
def test_wrong_settings_of_a_task_get_a_sentence(change, words):
    with pytest.raises(InputError, match=words):
        table_of({"name": "x"}, [change])


def test_a_task_needs_a_name():
    with pytest.raises(InputError, match="give the task a name"):
        parse_task({"name": " "})

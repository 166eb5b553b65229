import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from inpaint_lens.backends import segment
from inpaint_lens.backends.segment import DEVIATION, MEAN, MODELS, Answer, Segmenter
from inpaint_lens.imaging.errors import Cancelled, WeightsError
from inpaint_lens.imaging.monitor import CancelToken, Monitor
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers.models.sam.configuration_sam import SamConfig
from transformers.models.sam.modeling_sam import SamModel
from transformers.models.sam2.configuration_sam2 import Sam2Config
from transformers.models.sam2.modeling_sam2 import Sam2Model

SIDE = 64
INFOS = {info.name: info for info in MODELS}
POINTS = np.array([[40.5, 12.0], [3.0, 30.0]], np.float32)
INSIDE = np.array([True, False])

AUTHORS = (
    ("mask_embed.conv1", "mask_downscaling.0"), ("mask_embed.layer_norm1", "mask_downscaling.1"),
    ("mask_embed.conv2", "mask_downscaling.3"), ("mask_embed.layer_norm2", "mask_downscaling.4"),
    ("mask_embed.conv3", "mask_downscaling.6"), ("upscale_conv1", "output_upscaling.0"),
    ("upscale_layer_norm", "output_upscaling.1"), ("upscale_conv2", "output_upscaling.3"),
    ("shared_embedding.positional_embedding", "pe_layer.positional_encoding_gaussian_matrix"),
    ("patch_embed.projection", "patch_embed.proj"), ("point_embed.", "point_embeddings."),
)  # fmt: skip
AUTHORS_OF_SAM = (
    ("vision_encoder.layers", "image_encoder.blocks"), ("vision_encoder.neck.conv1", "image_encoder.neck.0"),
    ("vision_encoder.neck.layer_norm1", "image_encoder.neck.1"), ("vision_encoder.neck.conv2", "image_encoder.neck.2"),
    ("vision_encoder.neck.layer_norm2", "image_encoder.neck.3"), ("vision_encoder", "image_encoder"),
)  # fmt: skip
AUTHORS_OF_SAM2 = (
    ("vision_encoder.backbone", "image_encoder.trunk"), ("vision_encoder.neck", "image_encoder.neck"),
    ("prompt_encoder", "sam_prompt_encoder"), ("mask_decoder", "sam_mask_decoder"), (".o_proj.", ".out_proj."),
    (".mlp.proj_in", ".mlp.layers.0"), (".mlp.proj_out", ".mlp.layers.1"), ("no_memory_embedding", "no_mem_embed"),
)  # fmt: skip


def by_authors(state: dict[str, Tensor], names: Sequence[tuple[str, str]]) -> dict[str, Tensor]:
    """Weights of transformers under the names that they had where they were trained."""
    renamed = {}
    for key, value in state.items():
        if key.startswith("shared_image_embedding"):
            continue
        head, dot, rest = key.rpartition("_mlps.") if "_mlps." in key else key.rpartition("_head.")
        if dot:
            key = head + dot + rest.replace("layers.0", "layers.1").replace("proj_in", "layers.0")
            key = key.replace("proj_out", "layers.2")
        for theirs, authors in (*AUTHORS, *names):
            key = key.replace(theirs, authors)
        key = re.sub(r"(neck\.convs\.\d)", r"\1.conv", key)
        renamed[re.sub(r"\.layer_norm(\d|_final)", r".norm\1", key)] = value
    return renamed


def randomise(model: nn.Module) -> None:
    """Weights that make a difference everywhere; transformers begins with zeros in places."""
    generator = torch.Generator().manual_seed(0)
    state = model.eval().state_dict()
    for tensor in state.values():
        tensor.copy_(0.3 * torch.randn(tensor.shape, generator=generator))
    shared = "shared_image_embedding.positional_embedding"
    state[shared].copy_(state["prompt_encoder.shared_embedding.positional_embedding"])


@pytest.fixture(scope="module")
def sam() -> SamModel:
    """SAM with three layers of which the second looks at all of a square of 64 pixels."""
    vision = {
        "hidden_size": 24, "output_channels": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": SIDE,
        "patch_size": 16, "window_size": 2, "global_attn_indexes": [1], "num_pos_feats": 16, "mlp_dim": 40,
    }  # fmt: skip
    prompt = {"hidden_size": 32, "image_size": SIDE, "patch_size": 16}
    decoder = {"hidden_size": 32, "mlp_dim": 48, "iou_head_hidden_dim": 28}
    with torch.random.fork_rng():
        model = SamModel(SamConfig(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder))
    randomise(model)
    return model


def small_sam2() -> Sam2Config:
    backbone = {
        "model_type": "sam2_hiera_det_model", "hidden_size": 8, "image_size": [SIDE, SIDE],
        "blocks_per_stage": [1, 1, 2, 1], "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 1, 1, 1], "window_size_per_stage": [4, 2, 2, 2],
        "global_attention_blocks": [3],
    }  # fmt: skip
    vision = {
        "model_type": "sam2_vision_model", "backbone_config": backbone, "fpn_hidden_size": 32,
        "backbone_channel_list": [64, 32, 16, 8], "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
    }  # fmt: skip
    prompt = {"hidden_size": 32, "image_size": SIDE, "patch_size": 16}
    decoder = {"hidden_size": 32, "mlp_dim": 48, "iou_head_hidden_dim": 28}
    return Sam2Config(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder)


@pytest.fixture(scope="module")
def sam2() -> Sam2Model:
    """SAM 2 with a block in each stage."""
    with torch.random.fork_rng():
        model = Sam2Model(small_sam2())
    randomise(model)
    return model


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let files stand in for entries of the catalog."""

    def puts(**files: Path) -> None:
        pairs = (f"{name.replace('_', '-')}={path}" for name, path in files.items())
        monkeypatch.setenv("INPAINT_LENS_WEIGHTS", ",".join(pairs))

    return puts


@pytest.fixture
def square() -> np.ndarray:
    """What a network looks at, `[64, 64, 3]`."""
    return np.random.default_rng(5).uniform(0, 255, (SIDE, SIDE, 3)).astype(np.float32)


def answer(network: Segmenter, square: np.ndarray, count: int = 2) -> Answer:
    return network.masks(network.embed(square, Monitor()), POINTS[:count], INSIDE[:count])


@torch.no_grad()
def expected(model: nn.Module, square: np.ndarray, count: int = 2) -> Answer:
    """What transformers' model says when it is called with everything at once."""
    pixels = (torch.from_numpy(square) - torch.tensor(MEAN)) / torch.tensor(DEVIATION)
    output = model(
        pixel_values=pixels.permute(2, 0, 1)[None],
        input_points=torch.from_numpy(POINTS[:count])[None, None],
        input_labels=torch.from_numpy(INSIDE[:count].astype(int))[None, None],
    )
    return Answer(output.pred_masks[0, 0].numpy(), output.iou_scores[0, 0].numpy())


def assert_same(found: Answer, wanted: Answer, tolerance: float = 1e-4) -> None:
    assert found.logits.dtype == np.float32
    np.testing.assert_allclose(found.logits, wanted.logits, atol=tolerance)
    np.testing.assert_allclose(found.scores, wanted.scores, atol=tolerance)


def test_sam_answers_as_transformers_does(sam, square, put, tmp_path):
    sam.save_pretrained(tmp_path)
    put(sam_vit_b=tmp_path / "model.safetensors")
    network = segment.load(INFOS["sam-vit-b"], "cpu")
    assert (network.side, network.stretched) == (SIDE, False)
    assert_same(answer(network, square), expected(sam, square))


def test_sam_under_the_names_of_its_authors_is_the_same(sam, square, put, tmp_path):
    state = by_authors(sam.state_dict(), AUTHORS_OF_SAM)
    assert {"image_encoder.blocks.1.norm2.bias", "mask_decoder.output_hypernetworks_mlps.3.layers.2.weight"} <= {*state}
    torch.save(state, tmp_path / "sam.pth")
    put(sam_vit_b=tmp_path / "sam.pth")
    assert_same(answer(segment.load(INFOS["sam-vit-b"], "cpu"), square), expected(sam, square))


def test_sam2_answers_as_transformers_does(sam2, square, put, tmp_path, monkeypatch):
    monkeypatch.setattr(segment, "sam2_config", small_sam2)
    sam2.save_pretrained(tmp_path)
    put(sam2_tiny=tmp_path / "model.safetensors")
    network = segment.load(INFOS["sam2-tiny"], "cpu")
    assert (network.side, network.stretched) == (SIDE, True)
    assert_same(answer(network, square), expected(sam2, square))


def test_sam2_under_the_names_of_its_authors_is_the_same_and_what_is_for_videos_is_left_out(
    sam2, square, put, tmp_path, monkeypatch
):
    monkeypatch.setattr(segment, "sam2_config", small_sam2)
    state = by_authors(sam2.state_dict(), AUTHORS_OF_SAM2)
    for kind, row in enumerate(state.pop("sam_prompt_encoder.point_embeddings.weight")):
        state[f"sam_prompt_encoder.point_embeddings.{kind}.weight"] = row[None].clone()
    assert {"image_encoder.trunk.blocks.0.mlp.layers.1.bias", "image_encoder.neck.convs.3.conv.weight"} <= {*state}
    video = {"memory_attention.norm.weight": torch.ones(3), "maskmem_tpos_enc": torch.ones(7, 1, 1, 4)}
    torch.save({"model": state | video}, tmp_path / "sam2.pt")
    put(sam2_tiny=tmp_path / "sam2.pt")
    assert_same(answer(segment.load(INFOS["sam2-tiny"], "cpu"), square), expected(sam2, square))


class Part(nn.Module):
    """Half of SAM, as an exporter makes it."""

    def __init__(self, model: SamModel) -> None:
        super().__init__()
        self.model = model

    def masks(self, embedding: Tensor, places: Tensor, points: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The single mask first, then the three."""
        sparse, dense = self.model.prompt_encoder(points, labels, None, None)
        given = {
            "image_embeddings": embedding, "image_positional_embeddings": places,
            "sparse_prompt_embeddings": sparse, "dense_prompt_embeddings": dense,
        }  # fmt: skip
        both = [self.model.mask_decoder(**given, multimask_output=many) for many in (False, True)]
        masks, scores = zip(*both, strict=True)
        return torch.cat(masks, 2), torch.cat(scores, 2)


class HubEncoder(Part):
    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        return self.model.get_image_embeddings(pixels), self.model.get_image_wide_positional_embeddings()


class HubDecoder(Part):
    def forward(self, points: Tensor, labels: Tensor, embedding: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        masks, scores = self.masks(embedding, places, points, labels)
        return scores[:, :, 1:], masks[:, :, 1:]


class AuthorsEncoder(Part):
    def forward(self, image: Tensor) -> Tensor:
        pixels = (image - torch.tensor(MEAN)) / torch.tensor(DEVIATION)
        return self.model.get_image_embeddings(pixels.permute(2, 0, 1)[None])


class AuthorsDecoder(Part):
    """Wants a last point of no meaning, with the label -1, which transformers' prompt encoder adds itself."""

    def forward(
        self, embedding: Tensor, points: Tensor, labels: Tensor, mask: Tensor, has_mask: Tensor, size: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        places = self.model.get_image_wide_positional_embeddings() + 0 * (mask.mean() + has_mask.sum())
        given = points[:, None, :-1] + labels[0, -1] + 1, labels[:, None, :-1]
        masks, scores = self.masks(embedding, places, *given)
        return masks[:, 0], scores[:, 0], torch.nn.functional.interpolate(masks[:, 0], scale_factor=4) + 0 * size.sum()


def export(graph: nn.Module, path: Path, inputs: dict[str, Tensor], outputs: list[str], free: dict[str, int]) -> None:
    axes = {name: {axis: "points"} for name, axis in free.items()}
    with warnings.catch_warnings(action="ignore"):  # the exporter's own, of its successor and of fixed shapes
        torch.onnx.export(
            graph, tuple(inputs.values()), str(path), input_names=list(inputs), output_names=outputs,
            dynamic_axes=axes, opset_version=17, dynamo=False,
        )  # fmt: skip


@pytest.fixture(scope="module")
def graphs(sam, tmp_path_factory) -> Path:
    """A folder of both pairs of graphs."""
    folder: Path = tmp_path_factory.mktemp("graphs")
    cells = torch.rand(1, 32, 4, 4)
    known = {"image_embeddings": cells, "image_positional_embeddings": cells}
    export(HubEncoder(sam), folder / "hub.onnx", {"pixel_values": torch.rand(1, 3, SIDE, SIDE)}, list(known), {})
    prompts = {"input_points": torch.rand(1, 1, 3, 2), "input_labels": torch.ones(1, 1, 3, dtype=torch.int64)}
    free = {"input_points": 2, "input_labels": 2}
    export(HubDecoder(sam), folder / "hub_masks.onnx", {**prompts, **known}, ["iou_scores", "pred_masks"], free)
    image = {"input_image": torch.rand(SIDE, SIDE, 3)}
    export(AuthorsEncoder(sam), folder / "authors.onnx", image, ["image_embeddings"], {})
    inputs = {
        "image_embeddings": cells, "point_coords": torch.rand(1, 3, 2), "point_labels": torch.ones(1, 3),
        "mask_input": torch.zeros(1, 1, 16, 16), "has_mask_input": torch.zeros(1), "orig_im_size": torch.ones(2),
    }  # fmt: skip
    outputs = ["low_res_masks", "iou_predictions", "masks"]
    export(AuthorsDecoder(sam), folder / "authors_masks.onnx", inputs, outputs, {"point_coords": 1, "point_labels": 1})
    return folder


@pytest.mark.parametrize("count", [1, 2])
def test_slimsams_graphs_answer_as_the_network_that_they_were_made_of(sam, graphs, square, put, count):
    put(slimsam_encoder=graphs / "hub.onnx", slimsam_decoder=graphs / "hub_masks.onnx")
    assert_same(answer(segment.load(INFOS["slimsam"], "cpu"), square, count), expected(sam, square, count))


@pytest.mark.parametrize("count", [1, 2])
def test_mobile_sams_graphs_answer_as_the_network_that_they_were_made_of(sam, graphs, square, put, count):
    put(mobile_sam_encoder=graphs / "authors.onnx", mobile_sam_decoder=graphs / "authors_masks.onnx")
    assert_same(answer(segment.load(INFOS["mobile-sam"], "cpu"), square, count), expected(sam, square, count))


def test_a_graph_of_another_kind_is_told_by_its_inputs(graphs, put):
    put(slimsam_encoder=graphs / "authors.onnx", slimsam_decoder=graphs / "hub_masks.onnx")
    with pytest.raises(WeightsError, match=r"takes input_image .* pixel_values .* are expected"):
        segment.load(INFOS["slimsam"], "cpu")


@pytest.mark.parametrize("name", ["sam-vit-b", "sam2-tiny"])
def test_weights_of_another_network_are_refused_with_their_file(put, tmp_path, name):
    save_file({"vision_encoder.other": torch.zeros(2), "b": torch.zeros(1)}, tmp_path / "other.safetensors")
    put(**{name.replace("-", "_"): tmp_path / "other.safetensors"})
    with pytest.raises(WeightsError, match=r"other\.safetensors holds another network"):
        segment.load(INFOS[name], "cpu")


def test_loading_and_looking_leave_the_global_random_state_alone(sam, square, put, tmp_path):
    sam.save_pretrained(tmp_path)
    put(sam_vit_b=tmp_path / "model.safetensors")
    before, drawn = torch.get_rng_state(), np.random.get_state()
    answer(segment.load(INFOS["sam-vit-b"], "cpu"), square)
    assert torch.equal(torch.get_rng_state(), before)
    assert str(np.random.get_state()) == str(drawn)


def test_cancelling_ends_a_look_before_the_next_layer_and_the_next_look_is_whole(sam, square, put, tmp_path):
    sam.save_pretrained(tmp_path)
    put(sam_vit_b=tmp_path / "model.safetensors")
    network = segment.load(INFOS["sam-vit-b"], "cpu")
    token, shares = CancelToken(), []

    def cancel_at_the_second(_stage: str, share: float) -> None:
        shares.append(share)
        if len(shares) == 2:
            token.cancel()

    with pytest.raises(Cancelled):
        network.embed(square, Monitor(cancel_at_the_second, token))
    assert shares == pytest.approx([0, 1 / 3])
    assert_same(answer(network, square), expected(sam, square))

"""Networks that find the thing at a click: Segment Anything and what came of it, behind one protocol.

Kirillov et al., Segment Anything, ICCV 2023; Zhang et al., Faster Segment Anything (MobileSAM), 2023; Chen et al.,
SlimSAM, NeurIPS 2024; Ravi et al., SAM 2, 2024. Each looks at a picture once, which takes long, and then answers for
any points, which does not.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..imaging.errors import LensError, WeightsError
from ..imaging.monitor import Monitor
from ..imaging.window import Float
from ..weights_registry.fetch import require
from ..weights_registry.formats import load_weights
from .protocol import BackendInfo
from .registry import own_random_state

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from transformers.configuration_utils import PreTrainedConfig

MEAN, DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
"""Of red, green and blue, of 255; all these networks normalise by them."""
SIDE_PX = 1024
"""Side of the square that a graph looks at which takes any."""
COARSER = 4
"""A mask of the network has so many times fewer pixels a side than the square."""


def _model(name: str, title: str, loader: str, paper: str, *weights: str) -> BackendInfo:
    by_torch = len(weights) == 1
    return BackendInfo(
        name=name,
        title=title,
        loader=f"inpaint_lens.backends.segment:{loader}",
        licence="Apache-2.0",
        commercial_use=True,
        learned=True,
        weights=weights,
        modules=("transformers" if by_torch else "onnxruntime",),
        gpu=by_torch,
        extra="select",
        paper=paper,
    )


MODELS = (
    _model("sam2-tiny", "SAM 2.1 tiny", "load_sam2", "Ravi 2024", "sam2-tiny"),
    _model("sam-vit-b", "Segment Anything ViT-B", "load_sam", "Kirillov 2023", "sam-vit-b"),
    _model("mobile-sam", "MobileSAM", "load_mobile_sam", "Zhang 2023", "mobile-sam-encoder", "mobile-sam-decoder"),
    _model("slimsam", "SlimSAM-77", "load_slimsam", "Chen 2024", "slimsam-encoder", "slimsam-decoder"),
)
"""The networks that can be run, the best first. Facts about them are kept as those of backends are."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What may lie at the points.

    Attributes:
        logits: float32 `[K, m, m]` for K possible masks of the square, above 0 = inside.
        scores: float32 `[K]`, how well the network thinks each fits (intersection over union).
    """

    logits: Float
    scores: Float


class Segmenter(Protocol):
    """A network that finds the thing at a click.

    Attributes:
        side: of the square that it looks at.
        stretched: it wants pictures stretched to fill the square.
    """

    side: int
    stretched: bool

    def embed(self, image: Float, monitor: Monitor) -> Any:
        """Look at a square `[side, side, 3]`, 0 to 255; the result is for `masks` of the same network only.

        Raises:
            LensError: not enough memory.
            Cancelled: asked to stop.
        """
        ...

    def masks(self, embedding: Any, points: Float, inside: NDArray[np.bool_]) -> Answer:
        """What lies at points of the square `[N, 2]`, column and row; `inside` `[N]` = False: not this."""
        ...


def load(info: BackendInfo, device: str) -> Segmenter:
    """The network of a row of `MODELS`; its weights have to be here.

    Raises:
        MissingError: weights, or what the device needs, are not here.
        WeightsError: the weights are of another network, or damaged.
    """
    module, _, function = info.loader.partition(":")
    with own_random_state(device):
        return getattr(importlib.import_module(module), function)(info, device)


class TorchSegmenter:
    """SAM or SAM 2 of transformers."""

    def __init__(self, model: Any, device: str, layers: nn.ModuleList, stretched: bool) -> None:
        self.model, self.device, self._layers = model.to(device).eval(), device, layers
        self.side, self.stretched = model.config.prompt_encoder_config.image_size, stretched

    @torch.no_grad()
    def embed(self, image: Float, monitor: Monitor) -> Any:
        """See `Segmenter.embed`; cancelling ends it before the next layer."""
        values = torch.from_numpy(_normalised(image)).to(self.device)
        with self._watched(monitor):
            try:
                return self.model.get_image_embeddings(values)
            except torch.OutOfMemoryError as error:
                raise LensError(
                    f"There is not enough memory on {self.device} to look at the picture: close other programs, take "
                    "--device cpu, or a smaller model."
                ) from error

    @contextmanager
    def _watched(self, monitor: Monitor) -> Iterator[None]:
        def before(index: int) -> Any:
            return lambda *_: monitor.report("looking at the picture", index / len(self._layers))

        hooks = [layer.register_forward_pre_hook(before(index)) for index, layer in enumerate(self._layers)]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    @torch.no_grad()
    def masks(self, embedding: Any, points: Float, inside: NDArray[np.bool_]) -> Answer:
        """See `Segmenter.masks`."""
        output = self.model(
            image_embeddings=embedding,
            input_points=torch.from_numpy(points)[None, None].to(self.device),
            input_labels=torch.from_numpy(inside.astype(np.int64))[None, None].to(self.device),
            multimask_output=True,
        )
        logits, scores = output.pred_masks[0, 0], output.iou_scores[0, 0]
        return Answer(logits.float().cpu().numpy(), scores.float().cpu().numpy())


class SlimSam:
    """The two graphs that Hugging Face's exporter makes of SAM and its smaller kin."""

    stretched = False

    def __init__(self, encoder: InferenceSession, decoder: InferenceSession) -> None:
        self.encoder, self.decoder, self.side = encoder, decoder, _side(encoder)
        self.known = ["image_embeddings", "image_positional_embeddings"]
        _check(encoder, ["pixel_values"], self.known)
        _check(decoder, ["input_points", "input_labels", *self.known], ["pred_masks", "iou_scores"])

    def embed(self, image: Float, monitor: Monitor) -> Any:
        """See `Segmenter.embed`."""
        monitor.report("looking at the picture", 0.0)
        found = self.encoder.run(self.known, {"pixel_values": _normalised(image)})
        return dict(zip(self.known, found, strict=True))

    def masks(self, embedding: Any, points: Float, inside: NDArray[np.bool_]) -> Answer:
        """See `Segmenter.masks`."""
        feed = {"input_points": points[None, None], "input_labels": inside.astype(np.int64)[None, None]}
        logits, scores = self.decoder.run(["pred_masks", "iou_scores"], {**feed, **embedding})
        return Answer(np.asarray(logits)[0, 0], np.asarray(scores)[0, 0])


class MobileSam:
    """The two graphs that SAM's own exporter makes, the encoder with the normalisation inside."""

    stretched = False

    def __init__(self, encoder: InferenceSession, decoder: InferenceSession) -> None:
        self.encoder, self.decoder, self.side = encoder, decoder, _side(encoder)
        prompts = ["point_coords", "point_labels", "mask_input", "has_mask_input", "orig_im_size"]
        _check(encoder, ["input_image"], ["image_embeddings"])
        _check(decoder, ["image_embeddings", *prompts], ["low_res_masks", "iou_predictions"])

    def embed(self, image: Float, monitor: Monitor) -> Any:
        """See `Segmenter.embed`."""
        monitor.report("looking at the picture", 0.0)
        return self.encoder.run(["image_embeddings"], {"input_image": image})[0]

    def masks(self, embedding: Any, points: Float, inside: NDArray[np.bool_]) -> Answer:
        """See `Segmenter.masks`; a graph with four masks gives the three of them that are for a single click."""
        coarse = self.side // COARSER
        feed = {
            "image_embeddings": embedding,
            # Where there is no box, SAM wants a point of no meaning, with the label -1.
            "point_coords": np.append(points, np.zeros((1, 2), np.float32), axis=0)[None],
            "point_labels": np.append(inside, -1).astype(np.float32)[None],
            "mask_input": np.zeros((1, 1, coarse, coarse), np.float32),
            "has_mask_input": np.zeros(1, np.float32),
            "orig_im_size": np.array([self.side, self.side], np.float32),
        }
        logits, scores = self.decoder.run(["low_res_masks", "iou_predictions"], feed)
        return Answer(np.asarray(logits)[0, -3:], np.asarray(scores)[0, -3:])


def load_slimsam(info: BackendInfo, device: str) -> SlimSam:
    """SlimSAM's encoder and decoder."""
    return SlimSam(*_sessions(info, device))


def load_mobile_sam(info: BackendInfo, device: str) -> MobileSam:
    """MobileSAM's encoder and decoder."""
    return MobileSam(*_sessions(info, device))


def load_sam(info: BackendInfo, device: str) -> TorchSegmenter:
    """SAM of any size, from the authors' file or transformers' own."""
    from transformers.models.sam.modeling_sam import SamModel

    state = _renamed(load_weights(info.weights[0]), SAM_NAMES)
    model = _filled(SamModel, _sam_config(state, info), state, info)
    return TorchSegmenter(model, device, model.vision_encoder.layers, stretched=False)


def load_sam2(info: BackendInfo, device: str) -> TorchSegmenter:
    """SAM 2.1 tiny, from the authors' file or transformers' own; what is for videos is left out."""
    from transformers.models.sam2.modeling_sam2 import Sam2Model

    state = _renamed(load_weights(info.weights[0]), SAM2_NAMES)
    kinds = [f"prompt_encoder.point_embed.{kind}.weight" for kind in range(4)]
    if kinds[0] in state:
        state["prompt_encoder.point_embed.weight"] = torch.cat([state.pop(kind) for kind in kinds])
    model = _filled(Sam2Model, sam2_config(), state, info)
    return TorchSegmenter(model, device, model.vision_encoder.backbone.blocks, stretched=True)


def sam2_config() -> PreTrainedConfig:
    """The sizes of SAM 2.1 tiny, which a file of weights does not tell."""
    from transformers.models.sam2.configuration_sam2 import Sam2Config

    return Sam2Config()


def _sam_config(state: Mapping[str, Tensor], info: BackendInfo) -> PreTrainedConfig:
    """Sizes of a SAM, read from the shapes of its weights."""
    from transformers.models.sam.configuration_sam import SamConfig

    try:
        hidden, _, patch, _ = state["vision_encoder.patch_embed.projection.weight"].shape
        grid = state["vision_encoder.pos_embed"].shape[1]
        depth = sum(bool(re.fullmatch(r"vision_encoder\.layers\.\d+\.attn\.rel_pos_h", key)) for key in state)
        offsets = [state[f"vision_encoder.layers.{index}.attn.rel_pos_h"].shape for index in range(depth)]
        reach = [(count + 1) // 2 for count, _ in offsets]
        channels = state["vision_encoder.neck.conv1.weight"].shape[0]
        vision = {
            "hidden_size": hidden, "output_channels": channels, "num_hidden_layers": depth,
            "num_attention_heads": hidden // offsets[0][1], "image_size": grid * patch, "patch_size": patch,
            "window_size": min(reach), "global_attn_indexes": [index for index in range(depth) if reach[index] == grid],
            "num_pos_feats": state[SHARED[0]].shape[1],
            "mlp_dim": state["vision_encoder.layers.0.mlp.lin1.weight"].shape[0],
        }  # fmt: skip
        prompt = {"hidden_size": channels, "image_size": grid * patch, "patch_size": patch}
        decoder = {
            "hidden_size": channels,
            "mlp_dim": state["mask_decoder.transformer.layers.0.mlp.lin1.weight"].shape[0],
            "iou_head_hidden_dim": state["mask_decoder.iou_prediction_head.proj_in.weight"].shape[0],
        }
    except (KeyError, IndexError, ValueError) as error:
        raise _other_network(info) from error
    return SamConfig(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder)


MLP = r"(iou_prediction_head|output_hypernetworks_mlps\.\d|pred_obj_score_head)\.layers"
HEADS = (
    (r"mask_downscaling\.0", "mask_embed.conv1"),
    (r"mask_downscaling\.1", "mask_embed.layer_norm1"),
    (r"mask_downscaling\.3", "mask_embed.conv2"),
    (r"mask_downscaling\.4", "mask_embed.layer_norm2"),
    (r"mask_downscaling\.6", "mask_embed.conv3"),
    (r"output_upscaling\.0", "upscale_conv1"),
    (r"output_upscaling\.1", "upscale_layer_norm"),
    (r"output_upscaling\.3", "upscale_conv2"),
    (MLP + r"\.0\.", r"\1.proj_in."),
    (MLP + r"\.1\.", r"\1.layers.0."),
    (MLP + r"\.2\.", r"\1.proj_out."),
    (r"point_embeddings\.", "point_embed."),
    (r"pe_layer\.positional_encoding_gaussian_matrix", "shared_embedding.positional_embedding"),
    (r"patch_embed\.proj\.", "patch_embed.projection."),
    (r"\.norm(\d|_final)", r".layer_norm\1"),
)
SAM_NAMES = (
    (r"^image_encoder\.blocks", "vision_encoder.layers"),
    (r"^image_encoder\.neck\.0", "vision_encoder.neck.conv1"),
    (r"^image_encoder\.neck\.1", "vision_encoder.neck.layer_norm1"),
    (r"^image_encoder\.neck\.2", "vision_encoder.neck.conv2"),
    (r"^image_encoder\.neck\.3", "vision_encoder.neck.layer_norm2"),
    (r"^image_encoder", "vision_encoder"),
    *HEADS,
)
SAM2_NAMES = (
    (r"^image_encoder\.trunk", "vision_encoder.backbone"),
    (r"^image_encoder\.neck\.convs\.(\d)\.conv", r"vision_encoder.neck.convs.\1"),
    (r"^sam_", ""),
    (r"^no_mem_embed$", "no_memory_embedding"),
    (r"\.mlp\.layers\.0", ".mlp.proj_in"),
    (r"\.mlp\.layers\.1", ".mlp.proj_out"),
    (r"\.out_proj\.", ".o_proj."),
    *HEADS,
)
"""What the authors call their weights, as patterns, and what transformers does; in turn."""
PARTS = ("vision_encoder.", "prompt_encoder.", "mask_decoder.", "shared_image_embedding.", "no_memory_embedding")
SHARED = ("prompt_encoder.shared_embedding.positional_embedding", "shared_image_embedding.positional_embedding")


def _renamed(state: Mapping[str, Tensor], names: Sequence[tuple[str, str]]) -> dict[str, Tensor]:
    """Weights by transformers' names, whosever they had; those of other parts are left out."""
    if any(key.startswith(PARTS[0]) for key in state):
        names = ()
    renamed: dict[str, Tensor] = {}
    for key, value in state.items():
        for pattern, replacement in names:
            key = re.sub(pattern, replacement, key)
        if key.startswith(PARTS):
            renamed[key] = value.float()
    shared = next((renamed[key] for key in SHARED if key in renamed), None)
    return renamed if shared is None else {**dict.fromkeys(SHARED, shared), **renamed}


def _filled(kind: Any, config: PreTrainedConfig, state: Mapping[str, Tensor], info: BackendInfo) -> Any:
    """A model with these weights, none of them drawn at random before."""
    with torch.device("meta"):
        model = kind(config)
    try:
        model.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise _other_network(info) from error
    return model


def _other_network(info: BackendInfo) -> WeightsError:
    path = require(info.weights[0])
    return WeightsError(f"{path} holds another network than {info.title}: give weights of that one.")


def _sessions(info: BackendInfo, device: str) -> tuple[InferenceSession, InferenceSession]:
    from .onnx import open_session

    encoder, decoder = (open_session(require(name), device) for name in info.weights)
    return encoder, decoder


def _check(session: InferenceSession, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Raise `WeightsError` where a graph has not just these inputs, or lacks one of these outputs."""
    takes, gives = {node.name for node in session.get_inputs()}, {node.name for node in session.get_outputs()}
    if takes != set(inputs) or not gives >= set(outputs):
        raise WeightsError(
            f"The graph takes {', '.join(sorted(takes))} and gives {', '.join(sorted(gives))}, where "
            f"{', '.join(inputs)} and {', '.join(outputs)} are expected: give the file that the catalog names."
        )


def _side(encoder: InferenceSession) -> int:
    """Side of the square that an encoder looks at; a side that it leaves open has a name instead of a number."""
    sides = [side for side in encoder.get_inputs()[0].shape if isinstance(side, int) and side > 3]
    return sides[0] if sides else SIDE_PX


def _normalised(image: Float) -> Float:
    """A square `[side, side, 3]` as networks take it, float32 `[1, 3, side, side]`; the mean colour becomes 0."""
    values = (image - np.asarray(MEAN, np.float32)) / np.asarray(DEVIATION, np.float32)
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None])

"""Named repairs of single architectures, in force while a model is exported.

The reference is computed without them, so parity judges the repair too.

**convbert**: its convolutions look at neighbouring tokens, padding included, so a text's result
would depend on how far its batch is padded. Padded positions are set to zero in front of every
convolution: what lies beyond the end of an unpadded text is zero there too. Its windows are cut out
by slices: ``unfold`` becomes a gather by indices, which LiteRT's delegate does not take.

**deberta-v2**: its relative scores are gathered by a [length, length] table of indices, which
LiteRT's delegate does not take: a cut in front of and behind each of two gathers per layer. Both
tables depend on the distance of two tokens alone, so the rows of the distances are picked first and
the scores are moved into place by padding, reshaping and slicing (the shift of Transformer-XL, Dai
et al. 2019, appendix B). It also multiplies fewer rows: 2 * length - 1 in place of 512. Its mask is
filled in by a select, one more cut in every layer: a finite number is added instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial, partialmethod
from typing import Any

import torch
from edgekit.converters.modules.attention import MASKED
from torch import Tensor, nn

#: tensors that XNNPACK's delegate takes in one concatenation, with room to spare (LiteRT 2.3: 5)
JOINED = 3


@contextmanager
def repaired(model: nn.Module | None, architecture: str) -> Iterator[None]:
    """Apply what an architecture needs, and undo it.

    Args:
      model: a transformers model, or None.
      architecture: its ``model_type``.
    """
    with ExitStack() as undo:
        if architecture == "convbert":
            undo.callback(setattr, nn.functional, "unfold", nn.functional.unfold)
            nn.functional.unfold = _unfold_by_slices
        if architecture == "deberta-v2":
            undo.callback(setattr, Tensor, "masked_fill", Tensor.masked_fill)
            Tensor.masked_fill = partialmethod(_fill_by_sum, Tensor.masked_fill)
        for module in [] if model is None else model.modules():
            kind = type(module).__name__
            if architecture == "convbert" and kind == "ConvBertSelfAttention":
                _ZeroPadding(module, undo)
            if architecture == "deberta-v2" and kind == "DisentangledSelfAttention":
                bias = partial(_shifted_bias, module, _buckets(module))
                module.disentangled_attention_bias = bias
                undo.callback(delattr, module, "disentangled_attention_bias")
        yield


def _fill_by_sum(values: Tensor, fill: Any, mask: Tensor, value: Any) -> Tensor:
    """In place of ``Tensor.masked_fill`` where scores are hidden from a softmax."""
    if values.is_floating_point() and isinstance(value, float) and value <= MASKED:
        return values + mask.to(values.dtype) * MASKED
    filled: Tensor = fill(values, mask, value)
    return filled


class _ZeroPadding:
    """Hooks of one convolutional attention layer that share the mask of the current call."""

    def __init__(self, layer: nn.Module, undo: ExitStack) -> None:
        self._keep: Tensor | None = None
        for handle in (
            layer.register_forward_pre_hook(self._note_mask, with_kwargs=True),
            # [batch, channels, length] there
            layer.key_conv_attn_layer.register_forward_pre_hook(self._before),
            # behind its bias, which an unpadded text's surroundings have not either
            layer.conv_out_layer.register_forward_hook(self._after),
        ):
            undo.callback(handle.remove)

    def _note_mask(self, module: nn.Module, inputs: tuple[Any, ...], more: dict[str, Any]) -> None:
        mask = inputs[1] if len(inputs) > 1 else more.get("attention_mask")
        # additive, [batch, 1, queries, keys]: 0 where a token may be attended to
        self._keep = None if mask is None else (mask[:, 0, 0, :] >= -1.0).to(torch.float32)

    def _before(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        return None if self._keep is None else (inputs[0] * self._keep[:, None, :],)

    def _after(self, module: nn.Module, inputs: Any, output: Tensor) -> Tensor | None:
        return None if self._keep is None else output * self._keep[:, :, None]


def _unfold_by_slices(
    values: Tensor, kernel_size: list[int], dilation: int, padding: list[int], stride: int
) -> Tensor:
    """In place of ``torch.nn.functional.unfold`` over one axis: [b, c, n, 1] -> [b, c * k, n]."""
    batch, channels, length, _ = values.shape
    count = kernel_size[0]
    padded = nn.functional.pad(values[..., 0], (padding[0], padding[0]))
    windows = [padded[:, :, None, i : i + length] for i in range(count)]
    windows += windows[-1:] * (-count % JOINED)
    # joined in two steps along two axes: one long concatenation, and nested ones that the
    # converter makes one of, are not taken by the delegate
    triples = [
        torch.cat(windows[i : i + JOINED], dim=2)[:, :, None]
        for i in range(0, len(windows), JOINED)
    ]
    joined = torch.cat(triples, dim=2).reshape(batch, channels, len(windows), length)
    return joined[:, :, :count].reshape(batch, channels * count, length)


def _shifted_bias(
    self: Any,
    table: tuple[int, ...],
    query_layer: Tensor,
    key_layer: Tensor,
    relative_pos: Tensor | None,
    rel_embeddings: Tensor,
    scale_factor: int,
) -> Tensor:
    """In place of ``DisentangledSelfAttention.disentangled_attention_bias``, the same values.

    Args:
      table: what ``_buckets`` gave.
      query_layer, key_layer: float32 [batch * heads, length, size].
      relative_pos: not needed: distances follow from the length.
      rel_embeddings: float32 [distances, width].
      scale_factor: number of summands of the attention scores.
    Returns:
      float32 [batch * heads, length, length].
    """
    heads, span = self.num_attention_heads, self.pos_ebd_size
    length, size = query_layer.shape[1], query_layer.shape[2]
    # row m of a shifted table stands for query - key == length - 1 - m
    buckets = _picked(table, length)
    positions = rel_embeddings[: 2 * span]
    scale = (size * scale_factor) ** 0.5
    score: Tensor | None = None
    for kind, side, sign in (("c2p", query_layer, 1), ("p2c", key_layer, -1)):
        if kind not in self.pos_att_type:
            continue
        rows = positions[torch.clamp(sign * buckets + span, 0, 2 * span - 1)]
        if kind == "c2p":
            project = self.key_proj if self.share_att_key else self.pos_key_proj
        else:
            project = self.query_proj if self.share_att_key else self.pos_query_proj
        by_head = project(rows).view(-1, heads, size).permute(1, 2, 0)  # [heads, size, 2L - 1]
        found = torch.matmul(side.reshape(-1, heads, length, size), by_head)
        moved = _shift(found.reshape(-1, length, 2 * length - 1)) / scale
        moved = moved if kind == "c2p" else moved.transpose(-1, -2)
        score = moved if score is None else score + moved
    if score is None:
        return torch.zeros_like(query_layer[:, :, :1])
    return score


def _picked(table: tuple[int, ...], length: Any) -> Tensor:
    """int64 [2 * length - 1]: the bucket of each distance, length - 1 first."""
    most = len(table) // 2
    if isinstance(length, int):  # of a TFLite signature: a constant of its graph
        places = [max(-most, min(most, length - 1 - m)) + most for m in range(2 * length - 1)]
        return torch.tensor([table[i] for i in places])
    distances = torch.arange(2 * length - 1) * -1 + (length - 1)
    return torch.tensor(table)[torch.clamp(distances, -most, most) + most]


def _buckets(layer: Any) -> tuple[int, ...]:
    """The bucket of every distance that is told apart, from the negative ones to the positive."""
    from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position

    most = int(layer.max_relative_positions)
    distances = torch.arange(-most, most + 1)
    if layer.position_buckets > 0:
        distances = make_log_bucket_position(distances, int(layer.position_buckets), most)
    return tuple(int(n) for n in distances)


def _shift(scores: Tensor) -> Tensor:
    """[n, L, 2L - 1] -> [n, L, L], row q moved left by L - 1 - q."""
    n, length, width = scores.shape
    flat = nn.functional.pad(scores, (0, 1)).reshape(n, length * (width + 1))
    flat = flat[:, length - 1 : length - 1 + length * width]
    return flat.reshape(n, length, width)[:, :, :length]

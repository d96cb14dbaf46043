"""How an encoder-decoder becomes two graphs.

``encode``: ``input_ids``, ``attention_mask`` [batch, source] -> ``cross.<layer>.key|value`` [batch,
heads, source, size], once per source. ``decode``: ``input_ids`` [batch, length],
``attention_mask`` [batch, past + length], ``encoder_attention_mask`` [batch, source],
``past.<layer>.key|value``, ``cross.<layer>.key|value`` -> ``logits`` [batch, length, vocabulary],
``present.<layer>.key|value``, longer by ``length``.
"""

from __future__ import annotations

from pathlib import Path

import torch
from edgekit.converters.float_model import FloatModel
from edgekit.converters.generation import encoder_decoder_attention
from edgekit.converters.generation.encoder_decoder_module import DecodeModule, EncodeModule
from edgekit.converters.generation.encoder_decoder_repairs import exact_positions
from edgekit.converters.sources.checkpoint import Checkpoint
from edgekit.converters.to_onnx.export import Trace, export_graph
from edgekit.converters.to_onnx.graph import GENERATION_OPSET

from edgekit.errors import InternalError
from edgekit.generation.names import CROSS, PAST, PRESENT, cache_names
from edgekit.generation.settings import Generation

#: sizes of the samples: each differs from the others
BATCH, SOURCE, LENGTH, BEFORE = 2, 7, 5, 3


def export_entries(checkpoint: Checkpoint, folder: Path) -> FloatModel:
    """Both graphs in float32.

    Args:
      checkpoint: with a torch module that has an encoder and a decoder.
      folder: where the float graphs are written.
    Raises:
      UnsupportedError: the exporter fails on this architecture.
    """
    generation = checkpoint.contract.generation
    if generation is None:
        raise InternalError("a model without a cache")
    encoder_decoder_attention.register()
    traces = {
        "encode": _encode_trace(checkpoint, generation),
        "decode": _decode_trace(checkpoint, generation),
    }
    with exact_positions(checkpoint.model):
        return {
            name: export_graph(checkpoint, folder / f"float.{name}.onnx", trace)
            for name, trace in traces.items()
        }


def _encode_trace(checkpoint: Checkpoint, generation: Generation) -> Trace:
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("source")}
    return Trace(
        module=EncodeModule(checkpoint.model, generation.cache).eval(),
        sample={"input_ids": _ids(SOURCE, generation), "attention_mask": _mask(SOURCE)},
        dynamic={"input_ids": axes, "attention_mask": axes},
        inputs=("input_ids", "attention_mask"),
        outputs=tuple(cache_names(CROSS, len(generation.cache))),
        attention=encoder_decoder_attention.ONNX,
        opset=GENERATION_OPSET,
    )


def _decode_trace(checkpoint: Checkpoint, generation: Generation) -> Trace:
    layers = len(generation.cache)
    batch, source = torch.export.Dim("batch"), torch.export.Dim("source")
    length, before = torch.export.Dim("length"), torch.export.Dim("past")
    return Trace(
        module=DecodeModule(checkpoint.model).eval(),
        sample={
            "input_ids": _ids(LENGTH, generation),
            "attention_mask": _mask(BEFORE + LENGTH),
            "encoder_attention_mask": _mask(SOURCE),
            "past": _rows(BEFORE, generation, 0.5),
            "cross": _rows(SOURCE, generation, 0.25),
        },
        dynamic={
            "input_ids": {0: batch, 1: length},
            "attention_mask": {0: batch, 1: torch.export.Dim("total")},
            "encoder_attention_mask": {0: batch, 1: source},
            "past": [{0: batch, 2: before}] * (2 * layers),
            "cross": [{0: batch, 2: source}] * (2 * layers),
        },
        inputs=(
            "input_ids",
            "attention_mask",
            "encoder_attention_mask",
            *cache_names(PAST, layers),
            *cache_names(CROSS, layers),
        ),
        outputs=("logits", *cache_names(PRESENT, layers)),
        attention=encoder_decoder_attention.ONNX,
        opset=GENERATION_OPSET,
    )


def _ids(length: int, generation: Generation) -> torch.Tensor:
    return (torch.arange(BATCH * length) % (generation.vocabulary - 1) + 1).reshape(BATCH, length)


def _mask(length: int) -> torch.Tensor:
    return torch.ones(BATCH, length, dtype=torch.long)


def _rows(length: int, generation: Generation, start: float) -> list[torch.Tensor]:
    # all of them differ: equal inputs would be merged into one
    return [
        torch.full((BATCH, heads, length, size), start + number)
        for number, (heads, size) in enumerate(
            layer for layer in generation.cache for _ in ("key", "value")
        )
    ]

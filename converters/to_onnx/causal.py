"""How a causal language model becomes one graph for prompt, part of a prompt and token.

Inputs ``input_ids`` [batch, length], ``attention_mask`` [batch, past + length], ``logits_at``
[kept] (positions of this call whose logits are wanted) and ``past.<layer>.key|value`` [batch,
heads, past, size]; outputs ``logits`` [batch, kept, vocabulary]
and ``present.<layer>.key|value``, longer by ``length``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from edgekit.converters.generation import onnx_attention
from edgekit.converters.generation.causal_module import CausalModule
from edgekit.converters.sources.checkpoint import Checkpoint
from edgekit.converters.to_onnx.export import Trace
from edgekit.converters.to_onnx.graph import GENERATION_OPSET

from edgekit.errors import InternalError
from edgekit.generation.names import LOGITS_AT, PAST, PRESENT, cache_names


@contextmanager
def causal_trace(checkpoint: Checkpoint) -> Iterator[Trace]:
    """The trace, while the architecture's rotary positions are kept whole."""
    generation = checkpoint.contract.generation
    if generation is None:
        raise InternalError("a model without a cache")
    onnx_attention.register()
    layers = len(generation.cache)
    # sizes that differ from each other, and from every axis of the model
    batch, length, past = 2, 5, 3
    sample = {
        "input_ids": torch.arange(batch * length).reshape(batch, length) % generation.vocabulary,
        "attention_mask": torch.ones(batch, past + length, dtype=torch.long),
        "logits_at": torch.tensor([1, 4]),
        "past": [
            torch.full((batch, heads, past, size), 0.5 + number)
            for number, (heads, size) in enumerate(generation.cache)
            for _ in range(2)
        ],
    }
    rows, steps = torch.export.Dim("batch"), torch.export.Dim("length")
    before, total = torch.export.Dim("past"), torch.export.Dim("total")
    dynamic = {
        "input_ids": {0: rows, 1: steps},
        "attention_mask": {0: rows, 1: total},
        "logits_at": {0: torch.export.Dim("kept")},
        "past": [{0: rows, 2: before}] * (2 * layers),
    }
    with onnx_attention.whole_rotary(checkpoint.model):
        yield Trace(
            module=CausalModule(checkpoint.model, layers).eval(),
            sample=sample,
            dynamic=dynamic,
            inputs=("input_ids", "attention_mask", LOGITS_AT, *cache_names(PAST, layers)),
            outputs=("logits", *cache_names(PRESENT, layers)),
            attention=onnx_attention.NAME,
            opset=GENERATION_OPSET,
        )

"""How a causal language model becomes prefill signatures and one that decodes.

Inputs ``tokens`` int32 [1, n], ``pos`` int32 [1] (rows of the cache that are filled) and
``key_<layer>``, ``value_<layer>`` float32 [heads, context, size]; outputs the new rows alone,
``new_key_<layer>`` ... [heads, n, size], and of ``decode`` ``logits`` [1, 1, vocabulary].
"""

from __future__ import annotations

import numpy as np
import torch
from edgekit.converters.generation import static_attention
from edgekit.converters.generation.static_module import StaticStep
from edgekit.converters.sources.checkpoint import Checkpoint
from edgekit.converters.to_tflite.export import Trace

from edgekit.errors import InternalError, UnsupportedError
from edgekit.generation.names import DECODE, POS, PREFILL, TOKENS, static_cache_names


def causal_trace(checkpoint: Checkpoint) -> Trace:
    """A signature for each of the contract's buckets, and ``decode``.

    Raises:
      UnsupportedError: attention is written out inside the architecture.
    """
    contract = checkpoint.contract
    generation = contract.generation
    if generation is None:
        raise InternalError("a model without a cache")
    static_attention.register()
    with checkpoint.using_attention(static_attention.NAME):
        in_force = checkpoint.model.config._attn_implementation
    if in_force != static_attention.NAME:
        raise UnsupportedError(
            f"{contract.architecture} writes its attention out: it cannot be given a cache of "
            "fixed length.",
            "export with --target onnx alone.",
        )
    layers, context = len(generation.cache), generation.context
    slots = np.arange(context, dtype=np.float32)
    signatures = {}
    for length in (1, *contract.buckets):
        name = DECODE if length == 1 else f"{PREFILL}_{length}"
        sample = {
            TOKENS: (torch.arange(length, dtype=torch.int32) % generation.vocabulary)[None],
            POS: torch.zeros(1, dtype=torch.int32),
            "slots": torch.from_numpy(slots),
        }
        # values differ: equal tensors may be merged into one input
        sizes = [size for size in generation.cache for _ in range(2)]
        for number, (cache, (heads, size)) in enumerate(
            zip(static_cache_names(layers), sizes, strict=True)
        ):
            sample[cache] = torch.full((heads, context, size), 0.5 + number)
        signatures[name] = StaticStep(checkpoint.model, layers, name == DECODE).eval(), sample
    return Trace(signatures, (), static_attention.NAME, {"slots": slots})

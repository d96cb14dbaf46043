"""Names of a cache's tensors in an ONNX file."""

from __future__ import annotations

#: keys and values before a step, after it, and those of what an encoder read
PAST, PRESENT, CROSS = "past", "present", "cross"

#: the source's mask, beside its keys and values
SOURCE_MASK = "encoder_attention_mask"
#: positions of a call whose logits are wanted
LOGITS_AT = "logits_at"


def cache_names(kind: str, layers: int) -> list[str]:
    """``past.0.key``, ``past.0.value``, ``past.1.key``, ... in the order of the graph."""
    return [f"{kind}.{i}.{part}" for i in range(layers) for part in ("key", "value")]


#: of a TFLite file: signatures, and inputs besides the cache
DECODE, PREFILL, TOKENS, POS, LOGITS = "decode", "prefill", "tokens", "pos", "logits"
#: in front of a cache's name: its new rows
NEW = "new_"


def static_cache_names(layers: int) -> list[str]:
    """``key_0``, ``value_0``, ``key_1``, ...: inputs of a TFLite file."""
    return [f"{part}_{i}" for i in range(layers) for part in ("key", "value")]

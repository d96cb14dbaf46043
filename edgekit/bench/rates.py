"""Tokens a second of a generating file, beside what the memory of this machine allows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from edgekit.bench.phases import DECODE, split_key
from edgekit.generation.settings import Generation

_FLOAT_SCALE, _HALF_SCALE = 4, 2


def weight_bytes(tensors: Sequence[Mapping[str, Any]]) -> int:
    """Bytes of the weights that every token reads, as the file stores them.

    Tables that are only looked up give one row a token and are left out; a tied one is multiplied
    and counts once. Codes that a runtime unpacks when it opens the file (``edgekit recipes`` tells
    which) are read at their unpacked width, more than is counted here.

    Args:
      tensors: of the manifest's entry, ``StoredTensor.to_json``.
    """
    sizes = {}
    for tensor in tensors:
        if tensor["role"] == "table":
            continue
        count, bits = math.prod(tensor["shape"]), int(tensor["bits"])
        size = count * bits / 8
        if str(tensor["dtype"]).startswith("int"):
            group = tensor.get("group")
            rows = int(tensor["shape"][0])
            size += count / group * _HALF_SCALE if group else rows * _FLOAT_SCALE
        sizes[tensor["parameter"]] = size
    return int(sum(sizes.values()))


def cache_bytes(settings: Generation, length: int) -> int:
    """Bytes of float32 keys and values that a token reads behind so many others."""
    return sum(2 * heads * size for heads, size in settings.cache) * length * 4


def token_rates(
    lengths: Mapping[str, Mapping[str, float]],
    threads: int,
    weights: int,
    settings: Generation,
    bandwidth: float,
) -> dict[str, dict[str, float]]:
    """Rates by prompt length, from the times of each phase.

    Args:
      lengths: a bench's times in milliseconds, by "prefill N", "encode N" and "decode N".
      threads: of the runtime.
      weights: bytes read for every token, see ``weight_bytes``.
      settings: whose cache is read with them.
      bandwidth: bytes a second, see ``edgekit.bench.bandwidth``.
    Returns:
      by N: ``prefill_per_s`` (of the prompt's tokens; of the source's for an encoder-decoder) and
      ``first_token_ms``, ``decode_per_s``: of wall time; ``decode_cpu_per_s``: of CPU time;
      ``bound_per_s``: bandwidth over the bytes of a token; ``of_bound``: the share of it, of CPU
      time with one thread (what wall time is on a quiet machine), else of wall time;
      ``peak_mb``: resident memory up to this length.
    """
    found: dict[str, dict[str, float]] = {}
    for name, times in lengths.items():
        phase, length = split_key(name)
        rates = found.setdefault(str(length), {})
        rates["peak_mb"] = max(rates.get("peak_mb", 0.0), times.get("peak_mb", 0.0))
        if phase != DECODE:
            rates["prefill_per_s"] = _per_second(length, times["p50"])
            rates["first_token_ms"] = times["p50"]
            continue
        rates["decode_per_s"] = _per_second(1, times["p50"])
        rates["decode_cpu_per_s"] = _per_second(1, times["cpu_p50"])
        rates["bound_per_s"] = bandwidth / max(1, weights + cache_bytes(settings, length))
        reached = rates["decode_cpu_per_s" if threads == 1 else "decode_per_s"]
        rates["of_bound"] = reached / rates["bound_per_s"]
        if settings.start_id is not None and "first_token_ms" in rates:
            rates["first_token_ms"] += times["p50"]  # encoded, then one step
    return {n: {k: round(v, 4) for k, v in rates.items()} for n, rates in found.items()}


def _per_second(tokens: int, milliseconds: float) -> float:
    return 1e3 * tokens / max(milliseconds, 1e-6)

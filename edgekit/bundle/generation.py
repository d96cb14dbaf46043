"""What an app needs to let a language model write: its cache, its ends, its defaults."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from edgekit.errors import UnsupportedError
from edgekit.generation.names import LOGITS_AT, PAST, PRESENT, cache_names
from edgekit.generation.settings import Generation


def generation_json(generation: Generation, target: str) -> dict[str, Any]:
    """contract.json's ``generation``.

    Returns:
      ``context`` (tokens of the cache), ``vocabulary``, ``eos_ids``, ``sampling`` (the
      checkpoint's defaults), ``logits_at`` (input: positions whose logits are wanted), ``cache``:
      per tensor its names before (``past``) and after a step (``present``), and its ``shape``
      [heads, size], float32 [1, heads, tokens, size].
    Raises:
      UnsupportedError: the app's core does not run such a file.
    """
    if generation.start_id is not None or target != "onnx":
        what = "an encoder-decoder" if target == "onnx" else f"a language model's {target} file"
        raise UnsupportedError(
            f"{what} cannot be bundled: no core of an app runs it yet.",
            "bundle the ONNX file of a causal language model.",
        )
    layers = len(generation.cache)
    names = zip(cache_names(PAST, layers), cache_names(PRESENT, layers), strict=True)
    return {
        "context": generation.context,
        "vocabulary": generation.vocabulary,
        "eos_ids": list(generation.eos_ids),
        "sampling": asdict(generation.sampling),
        "logits_at": LOGITS_AT,
        "cache": [
            {"past": past, "present": present, "shape": list(generation.cache[i // 2])}
            for i, (past, present) in enumerate(names)
        ],
    }

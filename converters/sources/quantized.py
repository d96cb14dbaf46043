"""Checkpoints whose weights are quantized already: refused, with the method's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekit.errors import UnsupportedError


def refuse_quantized(folder: Path, config: dict[str, Any]) -> None:
    """Refuse a config.json with a ``quantization_config``.

    Source: transformers writes the method as ``quant_method``; bitsandbytes checkpoints of before
    that key existed have ``load_in_4bit`` or ``load_in_8bit`` alone.
    Raises:
      UnsupportedError: there is one.
    """
    found = config.get("quantization_config")
    if not found:
        return
    method = found.get("quant_method") if isinstance(found, dict) else None
    if not method and isinstance(found, dict):
        loaded = found.get("load_in_4bit") or found.get("load_in_8bit")
        method = "bitsandbytes" if loaded else None
    raise UnsupportedError(
        f"the weights of '{folder}' are quantized already by {method or 'an unnamed method'} "
        "(quantization_config), and a second rounding would be judged against the first.",
        "give the float checkpoint that they were made from; for an adapter trained on such a "
        "base, name the float base with --base.",
    )

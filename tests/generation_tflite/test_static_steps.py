"""Steps over a cache of fixed length give the architecture's own logits, before any conversion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.causal.models import CONFIGS, CONTEXT, WINDOW, save_model

IDS = np.random.default_rng(3).integers(3, 300, (1, 40))
#: two prefills, the second with padding behind it, then tokens one by one
PREFILL = 16


@pytest.mark.parametrize("kind", sorted(CONFIGS))
def test_an_architecture_keeps_its_logits_step_by_step(kind: str, tmp_path: Path) -> None:
    assert IDS.shape[1] > 3 * WINDOW
    checkpoint = _load(save_model(tmp_path / kind, kind))
    inputs = {"input_ids": IDS, "attention_mask": np.ones_like(IDS)}
    expected = checkpoint.session().run(inputs)["logits"][0]
    found = _stepwise(checkpoint, filled=27)
    assert np.abs(found - expected[27:]).max() < 1e-5 * np.abs(expected).max()
    # the comparison sees a token that the cache alone remembers
    changed = _stepwise(checkpoint, filled=27, changed=20)
    assert np.abs(changed - found).max() > 1e-3 * np.abs(expected).max()


def _load(folder: Path) -> Any:
    from edgekit.converters.opening import fit_tflite, load_source

    return fit_tflite(load_source(str(folder), None, None, None), None, [PREFILL])


def _stepwise(checkpoint: Any, filled: int, changed: int | None = None) -> Any:
    """Logits of all positions from ``filled`` on, by decode behind prefills."""
    import torch
    from edgekit.converters.to_tflite.causal import causal_trace

    trace = causal_trace(checkpoint)
    ids = IDS[0].copy()
    if changed is not None:
        ids[changed] ^= 1
    _, sample = trace.signatures["decode"]
    # what lies beyond the filled rows must not matter: it is large here
    cache = {n: torch.full_like(v, 50.0) for n, v in sample.items() if "_" in n}
    assert len(next(iter(cache.values()))[0]) == CONTEXT
    pos, logits = 0, []
    with checkpoint.for_export(trace.attention), torch.inference_mode():
        while pos < len(ids):
            name, length = (f"prefill_{PREFILL}", PREFILL) if pos < filled else ("decode", 1)
            kept = min(length, max(filled - pos, 1))
            tokens = torch.full((1, length), 7, dtype=torch.int32)
            tokens[0, :kept] = torch.from_numpy(ids[pos : pos + kept])
            out = trace.signatures[name][0](
                tokens, torch.tensor([pos], dtype=torch.int32), sample["slots"], **cache
            )
            for n, rows in cache.items():
                rows[:, pos : pos + kept] = out[f"new_{n}"][:, :kept]
            pos += kept
            if name == "decode":
                logits.append(out["logits"][0, 0].numpy())
    return np.stack(logits)

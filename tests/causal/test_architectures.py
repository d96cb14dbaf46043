"""Every causal architecture that is accepted keeps its logits in ONNX, cached and padded too."""

from __future__ import annotations

from pathlib import Path

import pytest

import edgekit
from tests.causal.models import CONFIGS, CONTEXT, WINDOW, save_model


@pytest.mark.parametrize("kind", sorted(CONFIGS))
def test_an_architecture_keeps_its_logits_with_and_without_a_cache(
    kind: str, tmp_path: Path
) -> None:
    model = save_model(tmp_path / kind, kind)
    result = edgekit.export(model, tmp_path / "out", targets=["onnx"], recipes=["fp32", "w8c_a8"])
    assert result.passed, [v.problems for v in result.verdicts]
    exact = result.verdicts[0].parity.metrics
    assert {"alone", "padded", "cached", "cached_padded"} <= set(exact)
    for mode, values in exact.items():
        assert values["max_abs_rel"] < 1e-5, mode
    tied = any(t["role"] == "tied" for t in result.manifest.files[0].tensors)
    assert tied == (kind in ("llama", "gemma3_text", "smollm3", "gpt2", "opt", "bloom"))


def test_all_accepted_architectures_are_tested() -> None:
    from edgekit.converters.sources.transformers_folder import CAUSAL_ARCHITECTURES

    assert set(CAUSAL_ARCHITECTURES) == set(CONFIGS)
    assert CONTEXT > 3 * WINDOW  # the cases reach far beyond a sliding window

"""Exported encoder-decoders in TFLite: one file, encode buckets and one decode signature."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgekit
from edgekit.errors import CacheFullError
from edgekit.generation.state import GeneratingSession
from edgekit.parity.golden import read_golden
from edgekit.runtime.session import open_session
from tests.seq2seq.made import save_model
from tests.seq2seq.test_onnx import write_cases

LENGTH, BUCKETS = 48, (16, 48)


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["bart", "t5", "marian"])
def test_every_mode_is_the_source(kind: str, tmp_path: Path) -> None:
    result = edgekit.export(
        save_model(tmp_path / kind, kind),
        tmp_path / "out",
        targets=["tflite"],
        recipes=["fp32", "w8c_a8"],
        cases=write_cases(tmp_path / "cases.jsonl"),
        max_length=LENGTH,
        buckets=BUCKETS,
    )
    floats, ints = result.verdicts
    assert result.passed, [v.problems for v in result.verdicts]
    assert set(floats.parity.metrics) == {"alone", "padded", "cached", "cached_padded"}
    for metrics in floats.parity.metrics.values():
        assert metrics["max_abs"] < 1e-4
    for metrics in ints.parity.metrics.values():
        assert 1e-4 < metrics["rms_rel"] < 0.12
    assert result.manifest.dropped == ()
    session = open_session(result.folder / floats.entry.path, weight_cache=False)
    assert isinstance(session, GeneratingSession)
    assert session.buckets == BUCKETS
    _check_rows(session, read_golden(result.folder).rows[1]["input_ids"])


def _check_rows(session: GeneratingSession, ids: np.ndarray) -> None:
    """Rows are kept apart, and the cache ends where it says."""
    encoded = session.encode(ids[None], np.ones_like(ids)[None])
    state = session.state(1, encoded)
    state.feed(np.array([[2, 5, 6]]))
    state.reorder(np.array([0, 0]))
    told = state.feed(np.array([[7], [8]]))
    assert np.abs(told[0] - told[1]).max() > 1e-3
    alone = session.state(1, encoded)
    np.testing.assert_allclose(told[:1], alone.feed(np.array([[2, 5, 6, 7]])), atol=1e-5)
    with pytest.raises(CacheFullError):
        state.feed(np.full((2, state.room + 1), 5))

"""The cache of an ONNX file: chunks, rows in another order, and where it ends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgekit
from edgekit.errors import CacheFullError, UsageError
from edgekit.runtime.onnx_generation import OnnxCausalSession
from edgekit.runtime.session import open_session
from tests.causal.models import CONTEXT, save_model


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> OnnxCausalSession:
    folder = tmp_path_factory.mktemp("causal-session")
    model = save_model(folder / "model", "qwen3")
    edgekit.export(model, folder / "out", targets=["onnx"], recipes=["fp32"])
    opened = open_session(folder / "out" / "model.fp32.onnx")
    assert isinstance(opened, OnnxCausalSession)
    return opened


IDS = np.random.default_rng(3).integers(3, 300, (2, 30))


def test_chunks_give_what_the_whole_text_gives(session: OnnxCausalSession) -> None:
    whole = session.run({"input_ids": IDS, "attention_mask": np.ones_like(IDS)})["logits"]
    state = session.state(2)
    found = [state.feed(IDS[:, :7], every=True), state.feed(IDS[:, 7:8]), state.feed(IDS[:, 8:])]
    assert [f.shape[1] for f in found] == [7, 1, 1]
    expected = whole[:, [*range(7), 7, 29]]
    np.testing.assert_allclose(np.concatenate(found, axis=1), expected, atol=2e-5)
    assert state.length == 30
    assert state.room == CONTEXT - 30


def test_rows_are_taken_in_another_order(session: OnnxCausalSession) -> None:
    state = session.state(2)
    state.feed(IDS[:, :9])
    state.reorder(np.array([1, 1, 0]))
    assert state.rows == 3
    logits = state.feed(IDS[[1, 1, 0], 9:10])
    straight = session.state(2)
    straight.feed(IDS[:, :9])
    expected = straight.feed(IDS[:, 9:10])
    np.testing.assert_allclose(logits, expected[[1, 1, 0]], atol=2e-5)


def test_padding_on_either_side_changes_nothing(session: OnnxCausalSession) -> None:
    ids = np.zeros((2, 12), np.int64)
    mask = np.zeros((2, 12), np.int64)
    ids[0, :8], mask[0, :8] = IDS[0, :8], 1
    ids[1, 4:], mask[1, 4:] = IDS[0, :8], 1
    state = session.state(2)
    logits = state.feed(ids, mask, every=True)
    np.testing.assert_allclose(logits[0, :8], logits[1, 4:], atol=2e-5)
    behind = state.feed(IDS[[0, 0], 8:9])
    np.testing.assert_allclose(behind[0], behind[1], atol=2e-5)


def test_a_full_cache_says_so_and_stays_as_it_was(session: OnnxCausalSession) -> None:
    state = session.state(1)
    state.feed(np.ones((1, CONTEXT - 1), np.int64))
    with pytest.raises(CacheFullError, match=f"{CONTEXT - 1} of {CONTEXT}"):
        state.feed(np.ones((1, 2), np.int64))
    assert state.room == 1
    assert state.feed(np.ones((1, 1), np.int64)).shape == (1, 1, 320)


def test_a_causal_file_has_no_encoder(session: OnnxCausalSession) -> None:
    with pytest.raises(UsageError, match="no encoder"):
        session.encode(IDS, IDS)


def test_products_of_one_input_are_joined(tmp_path: Path) -> None:
    import onnx

    model = save_model(tmp_path / "model", "llama")
    edgekit.export(model, tmp_path / "out", targets=["onnx"], recipes=["fp32"])
    graph = onnx.load(tmp_path / "out" / "model.fp32.onnx").graph
    kinds = [node.op_type for node in graph.node]
    # per layer: query, key and value; output; gate and up; down. And the logits.
    assert kinds.count("MatMul") == 2 * 4 + 1
    assert kinds.count("Attention") == 2
    assert kinds.count("SkipSimplifiedLayerNormalization") == 4
    assert len(graph.initializer) > 2 * 7  # every weight is still stored by itself

"""A converted file: verdicts, chunks, padding, rows in another order, and where its cache ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgekit
from edgekit.errors import CacheFullError, UsageError
from edgekit.runtime.session import open_session
from edgekit.runtime.tflite_generation import TfliteCausalSession
from tests.causal.models import CONTEXT, VOCABULARY, save_model
from tests.conftest import Run

IDS = np.random.default_rng(3).integers(3, 300, (2, 30))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("causal-tflite")
    model = save_model(folder / "model", "llama")
    return edgekit.export(
        model,
        folder / "out",
        targets=["tflite"],
        recipes=["fp32", "w8c_a8"],
        buckets=(8,),
        max_length=CONTEXT,
    )


@pytest.fixture(scope="module")
def session(exported: Any) -> TfliteCausalSession:
    opened = open_session(Path(exported.folder) / "model.fp32.tflite")
    assert isinstance(opened, TfliteCausalSession)
    return opened


def test_files_keep_their_verdicts_and_the_tied_matrix_is_stored_once(exported: Any) -> None:
    assert exported.passed, [v.problems for v in exported.verdicts]
    exact = exported.verdicts[0].parity.metrics
    assert all(values["max_abs_rel"] < 1e-5 for values in exact.values()), exact
    for file in exported.manifest.files:
        assert sum(t["role"] == "tied" for t in file.tensors) == 1


def test_prefill_gives_what_decoding_gives(session: TfliteCausalSession) -> None:
    whole = session.run({"input_ids": IDS, "attention_mask": np.ones_like(IDS)})["logits"]
    state = session.state(2)
    # 29 tokens: three prefills of 8, then one that is mostly padding
    found = [state.feed(IDS[:, :29]), state.feed(IDS[:, 29:])]
    np.testing.assert_allclose(np.concatenate(found, 1), whole[:, 28:], atol=2e-5)
    assert (state.length, state.room) == (30, CONTEXT - 30)


def test_padding_on_either_side_changes_nothing(session: TfliteCausalSession) -> None:
    ids, mask = np.zeros((2, 2, 12), np.int64)
    ids[0, :8], mask[0, :8] = IDS[0, :8], 1
    ids[1, 4:], mask[1, 4:] = IDS[0, :8], 1
    state = session.state(2)
    logits = state.feed(ids, mask, every=True)
    np.testing.assert_allclose(logits[0, :8], logits[1, 4:], atol=2e-5)
    assert not logits[0, 8:].any()
    behind = state.feed(IDS[[0, 0], 8:9])
    np.testing.assert_allclose(behind[0], behind[1], atol=2e-5)


def test_rows_are_taken_in_another_order_and_part_ways(session: TfliteCausalSession) -> None:
    order = np.array([1, 1, 0])
    state, straight = session.state(2), session.state(2)
    state.feed(IDS[:, :9])
    straight.feed(IDS[:, :9])
    state.reorder(order)
    expected = straight.feed(IDS[:, 9:10])
    np.testing.assert_allclose(state.feed(IDS[order, 9:10]), expected[order], atol=2e-5)
    apart = state.feed(np.array([[5], [6], [5]]))
    assert np.abs(apart[0] - apart[1]).max() > 0.01


def test_a_full_cache_says_so_and_stays_as_it_was(session: TfliteCausalSession) -> None:
    state = session.state(1)
    state.feed(np.ones((1, CONTEXT - 1), np.int64))
    with pytest.raises(CacheFullError, match=f"{CONTEXT - 1} of {CONTEXT}"):
        state.feed(np.ones((1, 2), np.int64))
    assert state.room == 1
    assert state.feed(np.ones((1, 1), np.int64)).shape == (1, 1, VOCABULARY)


def test_a_text_longer_than_the_cache_and_a_missing_encoder(session: TfliteCausalSession) -> None:
    long = np.ones((1, CONTEXT + 1), np.int64)
    with pytest.raises(UsageError, match=str(CONTEXT)):
        session.run({"input_ids": long, "attention_mask": long})
    with pytest.raises(UsageError, match="no encoder"):
        session.encode(IDS, IDS)


def test_the_command_prints_the_text_and_nothing_of_the_runtime(
    exported: Any, edgekit_cli: Run
) -> None:
    done = edgekit_cli("generate", exported.folder, "a text", "--max-new-tokens", 5)
    assert done.returncode == 0
    assert done.stdout.strip()
    assert "INFO" not in done.stderr + done.stdout


def test_large_models_are_converted_to_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgekit.converters.opening import fit_tflite, load_source, open_target
    from edgekit.converters.to_tflite import export

    model = save_model(tmp_path / "model", "llama")
    checkpoint = fit_tflite(load_source(str(model), None, CONTEXT, None), CONTEXT, (8,))
    files = []
    for limit in (export.LARGE, 0):
        monkeypatch.setattr(export, "LARGE", limit)
        folder = tmp_path / str(limit)
        folder.mkdir()
        open_target("tflite").export(checkpoint, folder)
        [file] = folder.glob("*.tflite")
        files.append(file.read_bytes())
    assert files[0] == files[1]

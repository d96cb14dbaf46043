"""The source's own cache against its whole texts, and degenerate sources refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from edgekit.converters.api import open_source, reference_golden
from edgekit.converters.generation.source_state import GeneratingSource

import edgekit
from edgekit.errors import CacheFullError, CheckpointError, UsageError
from edgekit.runtime.model import Model
from edgekit.tasks import Example
from tests.causal.models import CONTEXT, save_model

pytestmark = pytest.mark.heavy

IDS = np.random.default_rng(6).integers(3, 300, (2, 40))
#: rotary and grouped; a window shorter than the text; places from the mask alone; learned places
KINDS = ("llama", "gemma3_text", "bloom", "opt", "gpt2")


@pytest.fixture(scope="module", params=KINDS)
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("source-state") / request.param
    return open_source(save_model(folder, request.param), max_length=CONTEXT)


def session_of(source: Model) -> GeneratingSource:
    assert isinstance(source.session, GeneratingSource)
    return source.session


def test_pieces_and_padding_give_what_the_whole_text_gives(source: Model) -> None:
    session = session_of(source)
    whole = session.run({"input_ids": IDS, "attention_mask": np.ones_like(IDS)})["logits"]
    ids, mask = np.zeros((2, 40), np.int64), np.zeros((2, 40), np.int64)
    ids[0], mask[0] = IDS[0], 1
    ids[1, 9:], mask[1, 9:] = IDS[1, :31], 1
    state = session.state(2)
    assert not session.buckets
    parts = [
        state.feed(ids[:, :15], mask[:, :15], every=True),
        state.feed(ids[:, 15:16]),
        state.feed(ids[:, 16:39], every=True),
        state.feed(ids[:, 39:]),
    ]
    assert [p.shape[1] for p in parts] == [15, 1, 23, 1]
    assert (state.rows, state.length, state.room) == (2, 40, CONTEXT - 40)
    found = np.concatenate(parts, axis=1)
    scale = np.abs(whole).max()
    np.testing.assert_allclose(found[0], whole[0], atol=1e-5 * scale)
    np.testing.assert_allclose(found[1, 9:], whole[1, :31], atol=1e-5 * scale)


def test_rows_may_be_taken_again_and_a_full_cache_says_so(source: Model) -> None:
    session = session_of(source)
    state = session.state(2)
    state.feed(IDS[:, :9])
    state.reorder(np.array([1, 1, 0]))
    logits = state.feed(IDS[[1, 1, 0], 9:10])
    straight = session.state(2)
    straight.feed(IDS[:, :9])
    expected = straight.feed(IDS[:, 9:10])
    np.testing.assert_allclose(logits, expected[[1, 1, 0]], atol=1e-5 * np.abs(expected).max())
    assert state.rows == 3
    with pytest.raises(CacheFullError, match=f"10 of {CONTEXT}"):
        state.feed(np.ones((3, CONTEXT - 9), np.int64))
    with pytest.raises(UsageError, match="no encoder"):
        session.encode(IDS, IDS)


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose last norm lets nothing through but a constant."""
    from transformers import AutoModelForCausalLM

    folder = save_model(tmp_path_factory.mktemp("silent") / "model", "gpt2")
    model = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        model.transformer.ln_f.weight.zero_()
    model.save_pretrained(folder)
    return folder


def test_a_source_that_says_the_same_of_every_text_is_refused(silent: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="do not depend on what it reads"):
        edgekit.export(silent, tmp_path / "out", targets=["onnx"], recipes=["fp32"])
    assert not (tmp_path / "out").exists()
    contract = open_source(silent).contract
    with pytest.raises(CheckpointError, match="do not depend on what it reads"):
        reference_golden(str(silent), contract, [Example("one text"), Example("and another")])

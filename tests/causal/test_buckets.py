"""What ``--buckets`` says of a length: it depends on whether a prompt is read piece by piece."""

from __future__ import annotations

from pathlib import Path

import pytest
from edgekit.converters.opening import fit_tflite, load_for_buckets
from edgekit.converters.sources.checkpoint import Checkpoint

from edgekit.errors import UnsupportedError
from tests.causal.models import CONTEXT, save_model

pytestmark = pytest.mark.heavy


def opened(model: Path, asked: int | None, *lengths: int) -> Checkpoint:
    return fit_tflite(load_for_buckets(str(model), None, asked, None, lengths), asked, lengths)


def test_a_causal_model_keeps_its_context(tmp_path: Path) -> None:
    model = save_model(tmp_path / "model", "llama")
    contract = opened(model, None, 8, 16).contract
    assert (contract.max_length, contract.buckets) == (CONTEXT, (8, 16))
    assert contract.generation is not None
    assert contract.generation.context == CONTEXT
    contract = opened(model, 24, 8, 16).contract
    assert (contract.max_length, contract.buckets) == (24, (8, 16))


def test_an_encoder_s_largest_bucket_is_its_length(classifier: Path) -> None:
    contract = opened(classifier, None, 8, 16).contract
    assert (contract.max_length, contract.buckets) == (16, (8, 16))


def test_a_bucket_beyond_the_positions_is_refused(tmp_path: Path) -> None:
    model = save_model(tmp_path / "model", "gpt2")
    with pytest.raises(UnsupportedError, match="does not fit"):
        opened(model, None, 8, 100_000)

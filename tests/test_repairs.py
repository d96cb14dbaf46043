"""Repairs change what a graph looks like, not what a model says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.tiny import save_classifier

pytestmark = pytest.mark.heavy


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"share_att_key": False},
        {"pos_att_type": ["c2p"]},
        {"pos_att_type": ["p2c"]},
        {"position_buckets": -1, "max_relative_positions": 32},
        {"position_buckets": 8},
    ],
    ids=str,
)
def test_debertas_shift_is_its_gather(tmp_path: Path, more: dict) -> None:
    import torch
    from edgekit.converters.modules.repairs import repaired
    from transformers import AutoModelForSequenceClassification

    folder = save_classifier(tmp_path / "model", "deberta-v2", **more)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    ids = torch.arange(5, 85).reshape(2, 40)
    mask = torch.ones_like(ids)
    mask[1, 25:] = 0
    with torch.no_grad():
        before = model(input_ids=ids, attention_mask=mask).logits.numpy()
        with repaired(model, "deberta-v2"):
            during = model(input_ids=ids, attention_mask=mask).logits.numpy()
        after = model(input_ids=ids, attention_mask=mask).logits.numpy()
    np.testing.assert_allclose(during, before, atol=5e-6)
    np.testing.assert_array_equal(after, before)


def test_convberts_padding_is_silent_only_when_repaired(tmp_path: Path) -> None:
    import torch
    from edgekit.converters.modules.repairs import repaired
    from transformers import AutoModelForSequenceClassification

    folder = save_classifier(tmp_path / "model", "convbert")
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    ids = torch.arange(5, 25)[None]
    padded = torch.nn.functional.pad(ids, (0, 9))
    mask = torch.nn.functional.pad(torch.ones_like(ids), (0, 9))

    def logits(tokens: torch.Tensor, seen: torch.Tensor) -> np.ndarray:
        with torch.no_grad():
            return model(input_ids=tokens, attention_mask=seen).logits.numpy()

    alone = logits(ids, torch.ones_like(ids))
    assert np.abs(logits(padded, mask) - alone).max() > 1e-2
    with repaired(model, "convbert"):
        np.testing.assert_allclose(logits(ids, torch.ones_like(ids)), alone, atol=1e-6)
        np.testing.assert_allclose(logits(padded, mask), alone, atol=5e-6)

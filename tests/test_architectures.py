"""Every architecture in both targets, and that the committed support table says the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.architectures import measure
from tests.conftest import ROOT
from tests.tiny import ARCHITECTURES, SHAPES, save_classifier

pytestmark = pytest.mark.heavy

TABLE = json.loads((ROOT / "benchmarks" / "results" / "architectures.json").read_text())["result"]
#: models whose own answers depend on padding are refused, with the measured difference
REFUSED = {"funnel"}
#: the delegate's pieces per signature that are allowed
MOST_PARTITIONS = 3


@pytest.mark.parametrize("target", ["onnx", "tflite"])
@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_architecture_keeps_parity_with_padding(kind: str, target: str, tmp_path: Path) -> None:
    found = measure(kind, target, tmp_path)
    committed = TABLE["rows"][kind][target]
    assert found["verdict"] == committed["verdict"]
    if kind in REFUSED:
        assert found["verdict"] == "refused"
        assert "padding" in found["note"]
        return
    assert found["verdict"] == "pass", found["note"]
    assert found["partitions"] == committed["partitions"]
    assert found["partitions"] <= MOST_PARTITIONS


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_mask_position_and_type_change_the_tiny_models(kind: str, tmp_path: Path) -> None:
    """Otherwise parity on them would prove nothing."""
    import torch
    from transformers import AutoModelForSequenceClassification

    folder = save_classifier(tmp_path / kind, kind)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    ids = torch.arange(10, 22)[None]
    ids[0, 0] = 2
    base = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if SHAPES[kind].get("type_vocab_size", 0) > 1:
        base["token_type_ids"] = torch.zeros_like(ids)
    masked = base["attention_mask"].clone()
    masked[0, 7:] = 0
    turned = torch.cat([ids[:, :1], ids[:, 1:].flip(1)], dim=1)
    changes = {"mask": {"attention_mask": masked}, "position": {"input_ids": turned}}
    if "token_type_ids" in base:
        types = torch.zeros_like(ids)
        types[0, 6:] = 1
        changes["type"] = {"token_type_ids": types}
    with torch.no_grad():
        reference = model(**base).logits.numpy()
        for name, change in changes.items():
            moved = np.abs(model(**{**base, **change}).logits.numpy() - reference).max()
            assert moved > 1e-2, name


def test_the_table_has_every_architecture() -> None:
    from edgekit.converters.sources.transformers_folder import ARCHITECTURES as ACCEPTED

    assert set(TABLE["rows"]) == set(ARCHITECTURES) == set(ACCEPTED)
    for target in ("onnx", "tflite"):
        passed = [k for k, row in TABLE["rows"].items() if row[target]["verdict"] == "pass"]
        assert len(passed) >= 14

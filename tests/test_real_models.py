"""A real fine-tuned classifier beside the project (../shared), stored in float16."""

from pathlib import Path

import numpy as np
import pytest
from edgekit.converters.api import reference_golden

import edgekit
from edgekit.parity.worker import run_file
from edgekit.tasks.cases import read_cases

pytestmark = [pytest.mark.heavy, pytest.mark.shared]


def test_decisions_on_film_reviews_are_the_sources(shared: Path, tmp_path: Path) -> None:
    model, out = shared / "models" / "minilm-sst2", tmp_path / "out"
    result = edgekit.export(model, out, targets=["onnx"], recipes=["fp32", "w8c_a8"])
    assert result.passed, [v.problems for v in result.verdicts]
    assert result.manifest.source["stored_as"] == ["F16"]
    contract = result.manifest.contract
    examples = read_cases(shared / "data" / "sst2-dev.tsv")[:200]
    golden = reference_golden(str(model), contract, examples)
    source = golden.outputs["logits"].argmax(axis=1)
    same = {}
    for entry in result.manifest.files:
        outputs = run_file(out / entry.path, golden.rows, contract, modes=["alone"])
        same[entry.recipe] = np.mean(outputs["alone"]["logits"].argmax(axis=1) == source)
    assert same["fp32"] == 1
    assert same["w8c_a8"] >= 0.985

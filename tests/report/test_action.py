"""action.yml: its shell steps run as GitHub would run them, on a good and on a broken folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import mutate
from tests.conftest import ROOT

ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = {step.get("name", ""): step for step in ACTION["runs"]["steps"]}


def run_step(name: str, where: Path, inputs: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """One shell step with its inputs, in a workspace of its own."""
    step = STEPS[name]
    defaults = {key: value.get("default", "") for key, value in ACTION["inputs"].items()}
    values = {f"${{{{ inputs.{k} }}}}": v for k, v in {**defaults, **inputs}.items()}
    values["${{ steps.validate.outputs.exit-code }}"] = inputs.get("code", "")
    environment = dict(os.environ)
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    environment |= {key: values[value] for key, value in step["env"].items() if value in values}
    environment |= {
        "GITHUB_STEP_SUMMARY": str(where / "step-summary"),
        "GITHUB_OUTPUT": str(where / "output"),
    }
    # GitHub runs bash steps with -e and pipefail
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=where, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def outcome(where: Path, **inputs: str) -> tuple[str, str]:
    """Exit code that the validating step hands on, and the job's summary."""
    done = run_step("Validate", where, inputs)
    assert done.returncode == 0, done.stderr
    code = (where / "output").read_text(encoding="utf-8").strip().removeprefix("exit-code=")
    assert run_step("Verdict", where, {"code": code}).returncode == int(code)
    return code, (where / "step-summary").read_text(encoding="utf-8")


def uses(document: Any) -> list[str]:
    steps = [s for job in document["jobs"].values() for s in job["steps"]]
    return [step["uses"] for step in steps if "uses" in step]


def test_inputs_reach_the_shell_by_the_environment_alone() -> None:
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step.get("run", ""), "an input in a script is run as code"
        assert ("run" in step) == ("shell" in step)
    used = (ROOT / "action.yml").read_text(encoding="utf-8")
    assert all(f"inputs.{name}" in used for name in ACTION["inputs"])


def test_workflows_use_the_action_with_inputs_that_it_has() -> None:
    own = yaml.safe_load((ROOT / ".github/workflows/parity.yml").read_text(encoding="utf-8"))
    example = yaml.safe_load((ROOT / "examples/ci/parity.yml").read_text(encoding="utf-8"))
    assert "./" in uses(own)
    for document in (own, example):
        for job in document["jobs"].values():
            for step in job["steps"]:
                if step.get("uses", "").startswith(("./", "edgekit/")):
                    assert set(step["with"]) <= set(ACTION["inputs"])
                    assert "folder" in step["with"]


@pytest.mark.heavy
def test_a_good_folder_passes(exported_embedder: Path, tmp_path: Path) -> None:
    code, summary = outcome(
        tmp_path, folder=str(exported_embedder), baseline=str(exported_embedder)
    )
    assert code == "0"
    assert "6 files, pass" in summary
    assert "edgekit compare: pass" in summary
    names = {path.name for path in (tmp_path / "edgekit-reports").iterdir()}
    assert names >= {"parity.xml", "summary.md", "parity.html", "compare.txt"}


@pytest.mark.heavy
def test_a_broken_folder_fails_with_its_reports(
    exported_embedder: Path, copy_of: Callable[[Path], Path], tmp_path: Path
) -> None:
    folder = copy_of(exported_embedder)
    mutate.drop_bias_input(folder / "model.fp32.onnx")
    code, summary = outcome(tmp_path, folder=str(folder))
    assert code == "1"
    assert "FAIL" in summary
    assert "model.fp32.onnx" in summary
    assert (tmp_path / "edgekit-reports" / "parity.html").is_file()


@pytest.mark.heavy
def test_a_regression_fails_although_every_check_passes(
    exported_embedder: Path, copy_of: Callable[[Path], Path], tmp_path: Path
) -> None:
    before = copy_of(exported_embedder)
    manifest = json.loads((before / "edgekit.json").read_text(encoding="utf-8"))
    for entry in manifest["files"]:
        entry["size_bytes"] //= 2
    (before / "edgekit.json").write_text(json.dumps(manifest), encoding="utf-8")
    code, summary = outcome(tmp_path, folder=str(exported_embedder), baseline=str(before))
    assert code == "1"
    assert "files, pass" in summary
    assert "edgekit compare: FAIL" in summary


@pytest.mark.heavy
def test_no_folder_is_said_in_the_summary(tmp_path: Path) -> None:
    code, summary = outcome(tmp_path, folder="none")
    assert code == "3"
    assert "could not be run (exit code 3)" in summary
    assert "none" in summary

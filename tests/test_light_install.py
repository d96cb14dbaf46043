"""The light install: under 300 MB, without torch, and enough to re-check a folder."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv-light" / "bin" / "python"

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(not PYTHON.exists(), reason="run through `make test`, which sets it up"),
]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    # not from the checkout: the installed package must do
    return subprocess.run(
        [str(PYTHON), *map(str, arguments)], capture_output=True, text=True, cwd="/"
    )


def test_it_validates_inspects_and_runs_a_folder_made_elsewhere(exported_classifier: Path) -> None:
    done = run("-m", "edgekit", "validate", exported_classifier, "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert run("-m", "edgekit", "inspect", exported_classifier).returncode == 0
    code = f"import edgekit; print(edgekit.load({str(exported_classifier)!r}).classify(['hi']))"
    assert "label" in run("-c", code).stdout


def test_export_says_what_is_missing(classifier: Path, tmp_path: Path) -> None:
    done = run("-m", "edgekit", "export", classifier, "-o", tmp_path / "out", "-q")
    assert done.returncode == 4
    assert "pip install 'edgekit[convert]'" in done.stderr


def test_it_is_under_300_mb_and_holds_nothing_heavy() -> None:
    [site] = (ROOT / ".venv-light" / "lib").glob("python*/site-packages")
    installed = {p.name.split("-")[0].lower() for p in site.glob("*.dist-info")}
    assert not installed & {"torch", "transformers", "tensorflow", "jax", "onnxscript"}
    ours = [p for p in site.rglob("*") if p.is_file() and not p.is_symlink()]
    tools = ("pip", "setuptools", "pkg_resources", "_distutils_hack")  # what every environment has
    size = sum(p.stat().st_size for p in ours if p.relative_to(site).parts[0] not in tools)
    assert size < 300e6

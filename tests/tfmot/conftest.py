"""The environment with tensorflow-model-optimization, and what it trains and exports."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
WRAPPED = ("pruned-wrapped.h5", "two-four-wrapped.h5", "clustered-wrapped.h5")
RECIPES = ("fp32", "fp16", "w8c_a8", "w4c_a8", "w4g32_a8")
#: of the models that are only compared with those
FEW = ("fp32", "w8c_a8")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def tfmot_python() -> Path:
    """Its Python: named by EDGEKIT_TFMOT_PYTHON, or of `make tfmot`'s environment."""
    path = Path(os.environ.get("EDGEKIT_TFMOT_PYTHON", ROOT / ".venv-tfmot" / "bin" / "python"))
    if not path.is_file():
        pytest.skip("no environment with tensorflow-model-optimization (make tfmot)")
    return path


@pytest.fixture(scope="session")
def run_tfmot(tfmot_python: Path) -> Run:
    """Run a module in that environment."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [tfmot_python, "-m", *map(str, arguments)],
            capture_output=True, text=True, check=False, cwd=ROOT,
        )  # fmt: skip

    return run


@pytest.fixture(scope="session")
def trained(run_tfmot: Run, models: Path) -> Path:
    """The folder of ``build_models``; not to be changed."""
    folder = models / "tfmot models"
    folder.mkdir()
    done = run_tfmot("tests.tfmot.build_models", folder)
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(folder / "rows.npz") as rows:
        np.savez(folder / "cases.npz", picture=rows["picture"])
    return folder


@pytest.fixture(scope="session")
def exported(run_tfmot: Run, trained: Path, models: Path) -> Callable[[str], Path]:
    """Export one of the models once, to both targets; its folder."""
    done: dict[str, Path] = {}

    def export(name: str) -> Path:
        if name not in done:
            out = models / f"tfmot out {name}"
            recipes = RECIPES if name in WRAPPED else FEW
            chosen = [part for recipe in recipes for part in ("--recipe", recipe)]
            result = run_tfmot(
                "edgekit", "export", trained / name, "-o", out, *chosen,
                "--cases", trained / "cases.npz",
            )  # fmt: skip
            assert result.returncode == 0, result.stdout + result.stderr[-2000:]
            done[name] = out
        return done[name]

    return export

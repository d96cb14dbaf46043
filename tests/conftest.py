"""Shared fixtures: tiny checkpoints and what edgekit exports from them, made once per run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"

settings.register_profile(
    "fixed", derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
)
settings.load_profile("fixed")

# no test may reach a network
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", NO_COLOR="1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "shared" in item.keywords and not SHARED.is_dir():
            item.add_marker(
                pytest.mark.skip(reason="no real models beside the project (../shared)")
            )


@pytest.fixture(scope="session")
def shared() -> Path:
    return SHARED


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def classifier(models: Path) -> Path:
    from tests.tiny import save_classifier

    return save_classifier(models / "tiny classifier 分类")


@pytest.fixture(scope="session")
def embedder(models: Path) -> Path:
    from tests.tiny import save_embedder

    return save_embedder(models / "tiny-embedder")


RECIPES = ("fp32", "fp16", "w8c_a8")


@pytest.fixture(scope="session")
def exported_classifier(classifier: Path, models: Path) -> Path:
    """Both targets, three recipes, two buckets; all verdicts must pass."""
    import edgekit

    out = models / "out 分类"
    result = edgekit.export(classifier, out, recipes=RECIPES, buckets=(16, 48))
    assert result.passed, [v.problems for v in result.verdicts]
    return out


@pytest.fixture(scope="session")
def exported_embedder(embedder: Path, models: Path) -> Path:
    import edgekit

    out = models / "out-embedder"
    result = edgekit.export(embedder, out, recipes=RECIPES, buckets=(16, 48))
    assert result.passed, [v.problems for v in result.verdicts]
    return out


@pytest.fixture(scope="session")
def exported_demo(models: Path) -> Path:
    """all-MiniLM-L6-v2 in both targets: what `make demo` made, else made now. Not to be changed."""
    import edgekit

    made = ROOT / "build" / "demo"
    if (made / "edgekit.json").is_file():
        return made
    result = edgekit.export("demo", models / "demo", recipes=("fp32", "w8c_a8"))
    assert result.passed
    return models / "demo"


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Path], Path]:
    """A private copy of an exported folder, to break."""

    def copy(folder: Path) -> Path:
        return Path(shutil.copytree(folder, tmp_path / "copy"))

    return copy


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def edgekit_cli() -> Run:
    """Run the real command in a process of its own."""

    def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "edgekit", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            **options,  # type: ignore[call-overload]
        )

    return run

"""Models and traps, built once per run in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.tensorflow.converted import Converted, convert
from tests.tensorflow.jobs import Child


def _build(module: str, *arguments: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"tests.tensorflow.{module}", *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="session")
def keras_models(models: Path) -> Path:
    """text.keras, text-export, text-two, cnn.keras, cnn-export and rows.npz."""
    folder = models / "keras"
    folder.mkdir()
    _build("models", folder)
    return folder


@pytest.fixture(scope="session")
def keras_layers() -> Path:
    """What text.keras needs as --custom-objects."""
    return Path(__file__).with_name("layers.py")


@pytest.fixture(scope="session")
def traps(models: Path, keras_models: Path) -> Path:
    """One source for each trap; see ``trap_models``."""
    folder = models / "keras-traps"
    folder.mkdir()
    _build("trap_models", folder, keras_models)
    return folder


@pytest.fixture(scope="session")
def converted(models: Path, keras_models: Path, keras_layers: Path) -> Callable[[str], Converted]:
    """Form of a model -> its answers and its raw files, made once."""
    made: dict[str, Converted] = {}

    def get(form: str) -> Converted:
        if form not in made:
            made[form] = convert(form, keras_models, keras_layers, models / f"raw-{form}")
        return made[form]

    return get


@pytest.fixture(scope="module")
def tensorflow_child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    """One child on TensorFlow that takes model after model."""
    with Child("tensorflow", tmp_path_factory.mktemp("tensorflow-child")) as child:
        yield child


@pytest.fixture(scope="module")
def torch_child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    """One child with Keras on torch that takes model after model."""
    with Child("keras on torch", tmp_path_factory.mktemp("torch-child")) as child:
        yield child

"""Looking at a foreign source without any framework: what it is, what must not be loaded."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from edgekit.converters.tensorflow.traps import TEXT_REMEDY

from edgekit.errors import CheckpointError, MissingExtraError, UnsupportedError, first_line

Kind = Literal["saved-model", "keras", "tf_keras"]

SAVED_MODEL = "saved_model.pb"
H5 = (".h5", ".hdf5")
#: a config is text of some kilobytes; what is larger is no config
_MOST_CONFIG = 64 << 20
_STRING_LAYERS = ("TextVectorization", "StringLookup")


def is_foreign(path: Path) -> bool:
    """Whether a path is a SavedModel folder or a Keras file, by its names alone."""
    if path.suffix.lower() in (".keras", *H5):
        return path.is_file()
    return (path / SAVED_MODEL).is_file()


@dataclass(frozen=True, slots=True)
class SourceFile:
    """What the files say of themselves.

    Attributes:
      kind: who can read it.
      sha256: file relative to the source -> digest.
      made_with: framework -> version, as far as the files tell.
    """

    kind: Kind
    sha256: dict[str, str]
    made_with: dict[str, str] = field(default_factory=dict)


def inspect(path: Path) -> SourceFile:
    """Look at a source before anything loads it.

    Raises:
      CheckpointError: missing, damaged, or weights alone.
      UnsupportedError: code inside (Lambda layers), or strings as inputs.
      MissingExtraError: a ``.h5`` without h5py.
    """
    if not is_foreign(path):
        raise CheckpointError(
            f"'{path}' is neither a SavedModel folder nor a .keras or .h5 file.",
            "save the model with model.export(DIR), or as .keras.",
        )
    if path.is_dir():
        if not (path / "variables" / "variables.index").is_file():
            raise UnsupportedError(
                f"SavedModel '{path}' holds no variables: they are missing, or frozen into "
                "constants.",
                "copy the whole folder, or save the model before freezing: model.export(DIR).",
            )
        files = sorted(p for p in path.rglob("*") if p.is_file())
        return SourceFile(
            "saved-model", {p.relative_to(path).as_posix(): _sha256(p) for p in files}
        )
    config, version = _read_h5(path) if path.suffix.lower() in H5 else _read_keras(path)
    _check_config(config, path)
    old = version.startswith(("1.", "2.")) or str(config.get("module", "")).startswith("tf_keras")
    return SourceFile(
        "tf_keras" if old else "keras", {path.name: _sha256(path)}, {"keras": version}
    )


def _read_keras(path: Path) -> tuple[dict[str, Any], str]:
    """Config and Keras version of a .keras file, whose every byte is checked on the way."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
            if broken:
                raise ValueError(f"{broken} is damaged")
            texts = []
            for name in ("config.json", "metadata.json"):
                if archive.getinfo(name).file_size > _MOST_CONFIG:
                    raise ValueError(f"{name} is too large")
                texts.append(json.loads(archive.read(name)))
            archive.getinfo("model.weights.h5")
        config, metadata = texts
        return _as_object(config), str(_as_object(metadata)["keras_version"])
    except Exception as error:  # zlib, zipfile and json each have classes of their own
        raise _damaged(path, error) from error


def _read_h5(path: Path) -> tuple[dict[str, Any], str]:
    try:
        import h5py
    except ImportError:
        raise MissingExtraError("h5py", "tf", "reading a .h5 file") from None
    try:
        with h5py.File(path, "r") as file:
            text, version = file.attrs.get("model_config"), file.attrs.get("keras_version", "2.")
        if text is None:
            raise CheckpointError(
                f"'{path}' holds weights alone, no model.",
                "save the whole model as .keras; for transformers, give the folder it lies in.",
            )
        return _as_object(json.loads(text)), _text(version)
    except CheckpointError:
        raise
    except Exception as error:  # h5py raises whatever it meets in a damaged file
        raise _damaged(path, error) from error


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _as_object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("its config is no object")
    return value


def _damaged(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"'{path}' is damaged or no Keras file ({first_line(error)}).",
        "copy it anew; `unzip -t` or `h5dump` show what is in it.",
    )


def _check_config(config: dict[str, Any], path: Path) -> None:
    for entry in _objects(config):
        name = entry.get("class_name")
        settings = entry.get("config")
        settings = settings if isinstance(settings, dict) else {}
        if name in ("Lambda", "__lambda__"):
            raise UnsupportedError(
                f"'{path}' has a Lambda layer: code inside a file, which edgekit never runs.",
                "write it as a class with @keras.saving.register_keras_serializable(), or save "
                "with model.export(DIR).",
            )
        if name in _STRING_LAYERS or (
            name == "InputLayer" and str(settings.get("dtype")) == "string"
        ):
            layer = settings.get("name", name)
            raise UnsupportedError(
                f"'{path}' takes strings (layer '{layer}'), which no mobile runtime does.",
                TEXT_REMEDY,
            )


def _objects(root: Any) -> Iterator[dict[str, Any]]:
    """Every object of a JSON tree; without recursion, for a file may be as deep as it likes."""
    left = [root]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            yield value
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

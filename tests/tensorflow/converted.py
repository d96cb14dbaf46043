"""A model in one of its forms, converted raw, and both runtimes on the raw files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from edgekit.converters.tensorflow.client import TensorInfo, open_foreign

Floats = dict[str, npt.NDArray[np.float32]]

#: form -> (source, signature, name of the rows in rows.npz)
FORMS = {
    "text.keras": ("text.keras", None, "ids"),
    "text-export": ("text-export", None, "ids"),
    "text-two": ("text-two", "classify", "ids"),
    "cnn.keras": ("cnn.keras", None, "picture"),
    "cnn-export": ("cnn-export", None, "picture"),
}


@dataclass(frozen=True)
class Converted:
    """What came out of one form."""

    folder: Path
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    rows: Mapping[str, npt.NDArray[Any]]
    reference: Floats
    variables: Floats
    route: str
    signature: str
    source: dict[str, Any]
    usage: dict[str, Any]
    notes: list[str]

    def file(self, target: str) -> Path:
        """The raw file of one target."""
        return self.folder / f"raw.{target}"

    def answers(self, target: str) -> Floats:
        """Of the raw file, in the app's runtime."""
        return (run_onnx if target == "onnx" else run_tflite)(self.file(target), self.rows)


def convert(form: str, models: Path, layers: Path, folder: Path) -> Converted:
    """Open a form, run it, write both targets."""
    name, signature, key = FORMS[form]
    folder.mkdir()
    with np.load(models / "rows.npz") as data:
        rows = {key: data[key]}
    custom = layers if name == "text.keras" else None
    with open_foreign(models / name, folder, signature, custom) as model:
        reference = model.run(rows)
        for target in ("onnx", "tflite"):
            model.convert(target, folder / f"raw.{target}")  # type: ignore[arg-type]
    return Converted(
        folder, model.inputs, model.outputs, rows, reference, model.variables, model.route,
        model.signature, model.source, model.usage, model.notes,
    )  # fmt: skip


def run_onnx(path: Path, rows: Mapping[str, npt.NDArray[Any]]) -> Floats:
    """All rows at once."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(rows)), strict=True))


def run_tflite(path: Path, rows: Mapping[str, npt.NDArray[Any]]) -> Floats:
    """Row by row."""
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(model_path=str(path), num_threads=1).get_signature_runner("main")
    count = len(next(iter(rows.values())))
    answers = [run(**{n: v[i : i + 1] for n, v in rows.items()}) for i in range(count)]
    return {name: np.concatenate([a[name] for a in answers]) for name in answers[0]}

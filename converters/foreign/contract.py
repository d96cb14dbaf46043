"""The contract of a TensorFlow or Keras source: what its signature says, and what the user adds."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from edgekit.converters.sources.image_processor import read_preprocessing
from edgekit.converters.tensorflow.client import ForeignModel, TensorInfo

from edgekit.contract import Contract, TensorSpec
from edgekit.errors import UnsupportedError, UsageError
from edgekit.preprocessing import Preprocessing
from edgekit.tasks.base import Example
from edgekit.tasks.registry import get_task

Location = str | os.PathLike[str]
#: how far sums of probabilities may be from 1
_SUM = 1e-3
IMAGE_TASK = "image-classification"
#: tasks of models that take arrays or pictures
TASKS = ("array-classification", "array-outputs", IMAGE_TASK)


@dataclass(frozen=True, slots=True)
class ForeignOptions:
    """What a user may say of a source without a config of its own.

    Attributes:
      task: one of ``TASKS``; what the outputs look like when None.
      signature: of a SavedModel.
      custom_objects: Python file with the user's layers.
      labels: names by output index; numbers when empty.
      preprocessing: how a picture becomes the input of an image classifier; when None it is resized
        to the input's size, and its values stay 0 to 255.
    """

    task: str | None = None
    signature: str | None = None
    custom_objects: Path | None = None
    labels: tuple[str, ...] = ()
    preprocessing: Preprocessing | None = None


def read_options(
    task: str | None,
    signature: str | None,
    custom_objects: Location | None,
    labels: Location | None,
    preprocessing: Location | None,
) -> ForeignOptions:
    """The options, with the files that they name read.

    Raises:
      UsageError: a labels file that cannot be read.
      CheckpointError, UnsupportedError: see ``read_preprocessing``.
    """
    return ForeignOptions(
        task=task,
        signature=signature,
        custom_objects=None if custom_objects is None else Path(custom_objects),
        labels=() if labels is None else read_labels(Path(labels)),
        preprocessing=None if preprocessing is None else read_preprocessing(Path(preprocessing)),
    )


def contract_of(foreign: ForeignModel, options: ForeignOptions) -> Contract:
    """What every file made from the source will keep to.

    Raises:
      UnsupportedError: a task that such a source has not.
      UsageError: a task, labels or preprocessing that do not fit the signature.
    """
    outputs = tuple(map(spec_of, foreign.outputs))
    decides = len(outputs) == 1 and len(outputs[0].shape) == 2 and int(outputs[0].shape[1]) > 1
    task = options.task or ("array-classification" if decides else "array-outputs")
    if task not in TASKS:
        raise UnsupportedError(
            f"task '{task}' is not supported for a {foreign.kind} source.",
            f"supported: {', '.join(TASKS)}.",
        )
    classifies = task != "array-outputs"
    if classifies and not decides:
        listed = ", ".join(f"{s.name} {list(s.shape)}" for s in outputs)
        raise UsageError(
            f"{task} needs one output [batch, labels]; the model gives {listed}.",
            "leave --task out, or name array-outputs.",
        )
    labels: tuple[str, ...] = ()
    if classifies:
        count = int(outputs[0].shape[1])
        labels = options.labels or tuple(str(i) for i in range(count))
        if len(labels) != count:
            raise UsageError(
                f"{len(labels)} labels do not fit an output of {count} values.",
                "give one label per line, in the order of the output.",
            )
    elif options.labels:
        raise UsageError("--labels names the classes of a classifier.", "leave it out.")
    pictures = task == IMAGE_TASK
    if options.preprocessing is not None and not pictures:
        raise UsageError(
            "--preprocessing is how pictures become an input.", "add --task image-classification."
        )
    kind = _picture_fields(foreign, options) if pictures else {"input_kind": "arrays"}
    return Contract(
        task=task,
        architecture=foreign.kind,
        inputs=tuple(map(spec_of, foreign.inputs)),
        outputs=outputs,
        labels=labels,
        **kind,
    )


def picture_notes(contract: Contract, options: ForeignOptions, cases: Path | None) -> list[str]:
    """What was assumed of a picture model: its preprocessing, and drawn cases."""
    if contract.preprocessing is None:
        return []
    notes = []
    if options.preprocessing is None:
        height, width = contract.preprocessing.size
        notes.append(
            f"pictures are resized to {height} x {width}, their values stay 0 to 255: say with "
            "--preprocessing FILE if the model was trained otherwise"
        )
    if cases is None:
        notes.append("judged on drawn pictures: give real ones with --cases FOLDER")
    return notes


def _picture_fields(foreign: ForeignModel, options: ForeignOptions) -> dict[str, Any]:
    """Kind of input and preprocessing of an image classifier.

    Raises:
      UsageError: the input is no picture, or the preprocessing gives another size.
    """
    inputs = tuple(map(spec_of, foreign.inputs))
    shape = tuple(int(n) for n in inputs[0].shape[1:])
    if len(inputs) != 1 or inputs[0].dtype != "float32" or len(shape) != 3 or shape[2] != 3:
        listed = ", ".join(f"{s.name} {s.dtype} {list(s.shape)}" for s in inputs)
        raise UsageError(
            f"{IMAGE_TASK} needs one float32 input [batch, height, width, 3], not {listed}.",
            "name another --task, or leave it out.",
        )
    default = Preprocessing(resize=shape[:2], crop=None, rescale=1.0)
    preprocessing = replace(options.preprocessing or default, layout="NHWC")
    if preprocessing.shape != shape:
        raise UsageError(
            f"the preprocessing gives pictures of {list(preprocessing.shape)}, the model takes "
            f"{list(shape)}.",
            "correct its size or crop.",
        )
    return {"input_kind": "image", "preprocessing": preprocessing}


def spec_of(info: TensorInfo) -> TensorSpec:
    """An input or output of the signature as a contract has it."""
    return TensorSpec(info.name, info.dtype, ("batch", *(int(n or 0) for n in info.shape[1:])))


def problem_type(foreign: ForeignModel, contract: Contract, examples: Sequence[Example]) -> str:
    """Whether the graph ends in a softmax: then its values are probabilities already."""
    if contract.task == "array-outputs":
        return ""
    rows = get_task(contract.task).prepare(examples[:16], contract, None)
    found = foreign.run({n: np.stack([row[n] for row in rows]) for n in contract.input_names})
    values = next(iter(found.values()))
    sums = values.sum(axis=-1)
    return (
        "probabilities" if (values >= 0).all() and np.abs(sums - 1).max() < _SUM else "single_label"
    )


def read_labels(path: Path) -> tuple[str, ...]:
    """One label per line.

    Raises:
      UsageError: the file cannot be read, or names a label twice.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"labels file '{path}' cannot be read ({error}).", "check it.") from None
    labels = tuple(line.strip() for line in lines if line.strip())
    twice = next((label for i, label in enumerate(labels) if label in labels[:i]), None)
    if twice is not None or not labels:
        found = f"names {twice!r} twice" if labels else "is empty"
        raise UsageError(f"labels file '{path}' {found}.", "write one label per line.")
    return labels

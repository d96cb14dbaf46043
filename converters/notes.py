"""What is said of a file beside its figures, and of the versions that made it."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from edgekit.converters.float_model import Target
from edgekit.converters.quantize.texts import CalibrationText

from edgekit import support_tflite
from edgekit._version import __version__
from edgekit.audit import FileAudit
from edgekit.recipe import Recipe
from edgekit.report.rows import megabytes
from edgekit.tasks import Example

#: share of the weights that are multiplied in float32 from which on it is said
LEAST_SHARE = 0.01

_PACKAGES = ("onnx-ir", "onnx", "onnxruntime", "ai-edge-litert", "numpy")
_TORCH = (
    "torch", "transformers", "onnxscript", "litert-torch", "litert-converter", "tokenizers",
)  # fmt: skip
#: a Keras file may have gone through torch
_TENSORFLOW = (
    "tensorflow", "keras", "tf_keras", "tensorflow-model-optimization", "tf2onnx", "torch",
    "onnxscript", "litert-torch", "litert-converter",
)  # fmt: skip


def calibration_notes(
    calibration: Mapping[str, Any], text: CalibrationText, examples: Sequence[Example]
) -> list[str]:
    """What quantization looked at, and whether the cases hold some of it."""
    if not calibration:
        return []
    notes = [f"calibrated on {calibration['texts']} texts ({calibration['name']})"]
    shared = text.shared_with(examples)
    if shared:
        notes.append(
            f"{len(shared)} of its cases are calibration texts too: its parity on them proves less"
        )
    return notes


def budget_notes(budget: Mapping[str, Any]) -> list[str]:
    """What was asked and found; a budget that was missed is told as a problem instead."""
    if not budget:
        return []
    return [*([budget["found"]] if budget["kept"] else []), *budget["summary"]]


def structure_notes(kept: Mapping[str, Any]) -> list[str]:
    """What is left of pruning or clustering, and what the file takes compressed."""
    if not kept:
        return []
    raw, small = kept["bytes"], kept["compressed_bytes"]
    return [
        f"of its source's structure: {kept['summary']}",
        f"{megabytes(raw)} raw, {megabytes(small)} compressed (zlib 9)",
    ]


def file_notes(target: Target, recipe: Recipe, audit: FileAudit) -> list[str]:
    """What the target says of the recipe, and what the written file shows of its speed."""
    notes = target.notes(recipe)
    if target.name == "tflite":
        notes += support_tflite.file_notes(recipe, audit.tensors)
    if audit.partitions and max(audit.partitions.values()) > 1:
        notes.append(f"XNNPACK runs it in {max(audit.partitions.values())} pieces")
    kernels = [tensor for tensor in audit.tensors if tensor.role == "kernel"]
    if kernels and recipe.int8_activations and target.name == "onnx":
        sizes = [math.prod(tensor.shape) for tensor in kernels]
        share = sum(sizes) / sum(math.prod(tensor.shape) for tensor in audit.tensors)
        largest = kernels[sizes.index(max(sizes))].parameter
        if share >= LEAST_SHARE:
            notes.append(
                f"{share:.0%} of its weights (the largest: {largest}) are stored in 8 bits but "
                "unpacked at load and multiplied in float32: no integer speed there, float32 memory"
            )
    return notes


def made_by(kind: str = "transformers") -> dict[str, str]:
    """Versions of everything that shapes the files of a kind of source."""
    versions = {"edgekit": __version__, "python": ".".join(map(str, sys.version_info[:3]))}
    for package in (*_PACKAGES, *(_TORCH if kind == "transformers" else _TENSORFLOW)):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions

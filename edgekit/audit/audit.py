"""The audit: every tensor type as the recipe says, no silent float fallback, the right weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from edgekit.audit.onnx_entries import OnnxEntries
from edgekit.audit.onnx_file import OnnxFile
from edgekit.audit.records import FileAudit, StoredTensor, TensorRecord
from edgekit.audit.sketch import (
    LIMIT_DISTANCE,
    LIMIT_MAX,
    LIMIT_RMS,
    Sketch,
    deviations,
    distance,
    worst_distance,
)
from edgekit.audit.tflite_file import TfliteFile
from edgekit.errors import ArtifactError, first_line
from edgekit.recipe import Grid, Recipe
from edgekit.runtime.onnx_entries import is_entry
from edgekit.runtime.session import target_of
from edgekit.side_tables import table_format
from edgekit.tflite_formats import stored_grid, stored_type


def open_file(path: Path) -> OnnxFile | TfliteFile:
    """Parse an exported file.

    Raises:
      ArtifactError: the file is damaged.
      MissingExtraError: the package that reads it is not installed.
    """
    if is_entry(path):
        return OnnxEntries(path)
    return OnnxFile(path) if target_of(path) == "onnx" else TfliteFile(path)


def audit_file(
    path: Path,
    recipe: Recipe,
    stored: Sequence[StoredTensor],
    sketches: Mapping[str, Sketch] | None = None,
    fingerprint: str | None = None,
    count_partitions: bool = True,
    derived: Sequence[str | int] = (),
) -> FileAudit:
    """Read a written file and hold it against its recipe and its source.

    Args:
      path: the file.
      recipe: what it claims to be.
      stored: where its weights are said to lie.
      sketches: of the source's parameters; without them weights are not compared.
      fingerprint: of the graph at export; None at export itself.
      count_partitions: run the TFLite delegate to count its partitions.
      derived: constants of weight size that were proven to hold no weights; the fingerprint
        covers their values.
    Returns:
      the findings; ``problems`` is empty for a good file.
    Raises:
      ArtifactError: the file cannot be parsed at all.
    """
    file = open_file(path)
    tensors = list(stored)
    problems = [f"{name}: float constant that no parameter accounts for"
                for name in file.unlisted_floats(tensors, derived)]  # fmt: skip
    problems += [f"{name}: stored weights that the graph does not read"
                 for name in file.unused(tensors)]  # fmt: skip
    held = {tensor.parameter for tensor in tensors}
    problems += [f"{name}: named in the mix, and not in the file"
                 for name in sorted(set(recipe.mix) - held)]  # fmt: skip
    records = []
    most = max((t.shape[0] for t in tensors if t.role in ("table", "tied")), default=0)
    for tensor in tensors:
        try:
            record = _inspect(file, tensor, sketches, recipe)
        except (ArtifactError, ValueError, KeyError, IndexError) as error:
            problems.append(f"{tensor.parameter}: {first_line(error)}")
            continue
        records.append(record)
        problems += _judge(record, *expected_storage(recipe, tensor, file.target, most))
    found = file.fingerprint(tensors)
    if fingerprint is not None and found != fingerprint:
        problems.append("graph: operators, attributes or small constants differ from the export's")
    counts, outside = file.partitions() if count_partitions else ({}, {})
    weights = sum(int(np.prod(r.shape)) for r in records)
    return FileAudit(
        operators=file.operators(),
        tensors=tuple(records),
        effective_bits=sum(r.stored_bits for r in records) / max(1, weights),
        fingerprint=found,
        runtime=file.runtime(),
        partitions=counts,
        outside=outside,
        problems=tuple(problems),
        derived=tuple(derived),
    )


def expected_storage(
    recipe: Recipe, tensor: StoredTensor, target: str, most: int
) -> tuple[str, int | None]:
    """The type in which the recipe wants that parameter stored, and the inputs per scale.

    Args:
      recipe: of the file.
      tensor: the parameter.
      target: of the file.
      most: rows of the file's largest table.
    Returns:
      name of the type; inputs per scale, or None where the type says enough.
    """
    if tensor.role == "vector":
        return "float32", None
    wanted = recipe.wanted(tensor.parameter, tensor.role)
    if isinstance(wanted, Grid) and target == "tflite":
        grid = stored_grid(wanted, tensor.role, tensor.shape, most)
        cols = int(np.prod(tensor.shape[1:]))
        blocks = grid.grain == "group"
        return stored_type(grid.bits, tensor.role, blocks), grid.span(cols)
    if tensor.role == "table":
        wanted = table_format(wanted, tensor.shape[0], most)
    if isinstance(wanted, Grid):
        expected = tensor.dtype if tensor.bits == wanted.bits else f"{wanted.bits}-bit codes"
        return expected, wanted.span(int(np.prod(tensor.shape[1:])))
    return {"fp32": "float32", "fp16": "float16"}[wanted], None


def _inspect(
    file: OnnxFile | TfliteFile,
    tensor: StoredTensor,
    sketches: Mapping[str, Sketch] | None,
    recipe: Recipe,
) -> TensorRecord:
    found = file.contents(tensor)
    if found.digest is not None and tensor.digest not in (None, found.digest):
        raise ArtifactError("its codes or scales differ from those that were exported", "")
    rms = largest = apart_by = limit = None
    if sketches is not None:
        name = tensor.sketch or tensor.parameter
        if name not in sketches:
            raise ArtifactError(f"no sketch of {name} in golden.npz", "")
        apart = deviations(sketches[name], tensor, found)
        rms, largest = float(np.sqrt(np.mean(np.square(apart)))), float(apart.max(initial=0.0))
        apart_by, luck = distance(sketches[name], tensor, found)
        if not is_plain_rounding(tensor, recipe):
            limit = LIMIT_DISTANCE[tensor.bits] * luck
        elif tensor.clusters is not None:
            limit = worst_distance(found) * luck
    return TensorRecord(
        parameter=tensor.parameter,
        role=tensor.role,
        shape=found.values.shape,
        dtype=found.dtype,
        bits=tensor.bits,
        stored_bits=found.stored_bits,
        deviation_rms=rms,
        deviation_max=largest,
        group=found.group,
        distance=apart_by,
        distance_limit=limit,
    )


def is_plain_rounding(tensor: StoredTensor, recipe: Recipe) -> bool:
    """Whether weights may differ from the source's by the rounding noise of their grid alone.

    Codes that a search or calibration chose may not be judged by that noise. What is proven of them
    is that they are the exported ones, by their digest, and that they are near the source's.
    """
    if tensor.digest is None or tensor.dtype.startswith("float"):
        return True
    return tensor.bits == 8 and recipe.method in (None, "rtn")


def _judge(record: TensorRecord, expected: str, group: int | None) -> list[str]:
    problems = []
    if record.dtype != expected:
        problems.append(f"{record.parameter}: stored as {record.dtype}, the recipe says {expected}")
    elif group is not None and record.group != group:
        problems.append(
            f"{record.parameter}: one scale per {record.group} inputs, the recipe says {group}"
        )
    if record.distance is not None and record.distance_limit is not None:
        if not record.distance <= record.distance_limit:  # also true for NaN
            problems.append(
                f"{record.parameter}: weights differ from the source's by {record.distance:.2f} of "
                f"their size (limit {record.distance_limit:.2f} at {record.bits} bits)"
            )
    elif record.deviation_max is not None and record.deviation_rms is not None:
        bad = not (record.deviation_max <= LIMIT_MAX and record.deviation_rms <= LIMIT_RMS)
        if bad:  # also true for NaN
            problems.append(
                f"{record.parameter}: weights differ from the source's by up to "
                f"{record.deviation_max:.1f} times the rounding noise (limit {LIMIT_MAX:g}; "
                f"rms {record.deviation_rms:.2f}, limit {LIMIT_RMS:g})"
            )
    return problems

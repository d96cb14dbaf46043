"""What a written file keeps of a source's zeros and clusters, for manifest and report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from edgekit.converters.float_model import WrittenFile

from edgekit.audit.audit import open_file
from edgekit.audit.structure import (
    SourceStructure,
    compare_structure,
    compressed_size,
    describe,
    find_structure,
)

Floats = npt.NDArray[np.float32]


def structures_of(parameters: Mapping[str, Floats]) -> dict[str, SourceStructure]:
    """The parameters that pruning or clustering left a structure in."""
    found = {name: find_structure(value) for name, value in parameters.items()}
    return {name: structure for name, structure in found.items() if structure is not None}


def kept_structure(
    file: WrittenFile,
    parameters: Mapping[str, Floats],
    structures: Mapping[str, SourceStructure],
) -> dict[str, Any]:
    """What the file's effective weights keep.

    Args:
      file: the written file.
      parameters: of the source.
      structures: of ``structures_of``.
    Returns:
      ``summary`` (one sentence), ``parameters`` (``KeptStructure.to_json``), ``bytes`` and
      ``compressed_bytes`` of the file; empty where the source has no structure.
    """
    held = open_file(file.path) if structures else None
    kept = []
    for stored in file.stored:
        # what stays float was never pruned: biases, norms, position tables
        if held is None or stored.parameter not in structures or stored.role == "vector":
            continue
        part = slice(stored.transform.start, stored.transform.stop)
        source = parameters[stored.parameter][part]
        whole = len(source) == len(parameters[stored.parameter])
        found = compare_structure(
            stored.parameter,
            source,
            held.contents(stored).values,
            found=structures[stored.parameter] if whole else None,
        )
        kept += [] if found is None else [found]
    if not kept:
        return {}
    return {
        "summary": describe(kept),
        "parameters": [found.to_json() for found in kept],
        "bytes": file.path.stat().st_size,
        "compressed_bytes": compressed_size(file.path),
    }

"""What training left in a source's weights, and what of it a written file still has.

Pruning leaves zeros, some of it in a pattern (2 of every 4 along the inputs); clustering leaves few
distinct values. Neither makes today's runtimes faster; both make the compressed file smaller, as
long as quantization keeps them. A grid that is symmetric around 0 keeps every zero, for 0 is one of
its points; a grid with a zero point keeps it only where the zero point is exact. Per row or block
the values of one cluster are rounded alike, but each row or block has its own scale: the values of
a row stay few, those of the matrix do not.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

#: fewer zeros than that are no pruning: rows of a table that nothing ever trained
SPARSE = 0.1
#: more distinct values than 8 bits name are no clusters
MOST_CLUSTERS = 256
#: a matrix with few values has few distinct ones
_VALUES_PER_CLUSTER = 4
#: file bytes that are looked at before all are: most matrices are clearly not clustered
_FIRST_LOOK = 4096


@dataclass(frozen=True, slots=True)
class SourceStructure:
    """What is there to be kept in one parameter.

    Attributes:
      size: number of weights.
      zeros: how many of them are 0.
      two_four: at least 2 of every 4 along the inputs are 0.
      distinct: how many different values; None for more than ``MOST_CLUSTERS``, or too few weights
        to say.
    """

    size: int
    zeros: int
    two_four: bool
    distinct: int | None

    @property
    def sparse(self) -> bool:
        """Whether its zeros are there on purpose."""
        return self.two_four or self.zeros >= SPARSE * self.size

    @property
    def clustered(self) -> bool:
        """Whether its values are few on purpose; zeros alone are pruning."""
        return self.distinct is not None and self.distinct > 1


@dataclass(frozen=True, slots=True)
class KeptStructure:
    """One parameter in a written file, held against its source.

    Attributes:
      parameter: its name.
      source: what was there.
      zeros_kept, zeros_lost: of the source's zeros.
      zeros_new: weights of the source that the file rounds to 0.
      two_four: whether the pattern holds in the file.
      distinct: different values in the file's matrix.
      distinct_in_row: the most of any one output's weights.
    """

    parameter: str
    source: SourceStructure
    zeros_kept: int
    zeros_lost: int
    zeros_new: int
    two_four: bool
    distinct: int
    distinct_in_row: int

    def to_json(self) -> dict[str, Any]:
        """Plain data for the manifest."""
        return asdict(self)


def find_structure(values: Floats, input_axis: int = 1) -> SourceStructure | None:
    """What a parameter of the source has, or None for an ordinary dense one.

    Args:
      values: float32, any shape; vectors have no structure to keep.
      input_axis: the inputs' axis: 1 as torch holds weights, -2 as Keras does.
    """
    if values.ndim < 2 or not values.size:
        return None
    zeros = int(values.size - np.count_nonzero(values))
    # an axis of one or two is filled up with zeros, which nobody pruned
    pattern = zeros * 4 >= values.size and has_two_four(values, input_axis)
    found = SourceStructure(values.size, zeros, pattern, _few_values(values))
    return found if found.sparse or found.clustered else None


def has_two_four(values: Floats, input_axis: int = 1) -> bool:
    """Whether at least 2 of every 4 neighbours along the inputs are 0.

    The last ones are filled up with zeros where the inputs are no multiple of 4. Source: NVIDIA's
    2:4 pattern (Mishra et al. 2021, arXiv 2104.08378), as tfmot's ``sparsity_m_by_n`` applies it.
    """
    rows = np.moveaxis(values, input_axis, -1)
    used = rows.reshape(-1, rows.shape[-1]) != 0
    used = np.pad(used, ((0, 0), (0, -used.shape[1] % 4)))
    return bool((used.reshape(-1, 4).sum(axis=1) <= 2).all())


def compare_structure(
    parameter: str,
    source: Floats,
    stored: Floats,
    input_axis: int = 1,
    output_axis: int = 0,
    found: SourceStructure | None = None,
) -> KeptStructure | None:
    """Hold a file's effective weights against the source's structure.

    Args:
      parameter: name.
      source: the part of the parameter that the file holds.
      stored: what the file stands for, in the source's orientation; higher axes may be joined.
      input_axis, output_axis: 1 and 0 as torch holds weights, -2 and -1 as Keras does.
      found: of ``find_structure``, where it is known already.
    Returns:
      None where the source has no structure.
    """
    found = found or find_structure(source, input_axis)
    if found is None:
        return None
    stored = stored.reshape(source.shape)
    was, is_now = source == 0, stored == 0
    rows = np.sort(np.moveaxis(stored, output_axis, 0).reshape(source.shape[output_axis], -1))
    in_row = 1 + (np.diff(rows) != 0).sum(axis=1).max(initial=0)
    return KeptStructure(
        parameter=parameter,
        source=found,
        zeros_kept=int((was & is_now).sum()),
        zeros_lost=int((was & ~is_now).sum()),
        zeros_new=int((~was & is_now).sum()),
        two_four=has_two_four(stored, input_axis),
        distinct=int(np.unique(stored).size),
        distinct_in_row=int(in_row),
    )


def describe(kept: Iterable[KeptStructure]) -> str:
    """One sentence on a file, "" where its source has no structure."""
    kept = list(kept)
    parts = []
    sparse = [k for k in kept if k.source.sparse]
    if sparse:
        zeros, lost = sum(k.source.zeros for k in sparse), sum(k.zeros_lost for k in sparse)
        parts.append(f"{zeros - lost:,} of {zeros:,} zeros survive")
        if lost:
            parts.append(f"lost in {_listed(k.parameter for k in sparse if k.zeros_lost)}")
    pattern = [k for k in kept if k.source.two_four]
    if pattern:
        holds = sum(k.two_four for k in pattern)
        parts.append(f"2:4 holds in {holds} of {len(pattern)} {_matrices(len(pattern))}")
    clustered = [k for k in kept if k.source.clustered]
    if clustered:
        most = max(k.source.distinct or 0 for k in clustered)
        parts.append(f"{len(clustered)} {_matrices(len(clustered))} of at most {most} values")
        whole = [k for k in clustered if k.distinct <= (k.source.distinct or 0)]
        rows = [k for k in clustered if k.distinct_in_row <= (k.source.distinct or 0)]
        if len(whole) == len(clustered):
            parts[-1] += ", kept"
        elif len(rows) == len(clustered):
            parts[-1] += ", kept in every row (each row has its own scale)"
        else:
            torn = _listed(k.parameter for k in clustered if k not in rows)
            parts[-1] += f", lost in {torn}"
    return "; ".join(parts)


def compressed_size(path: Path) -> int:
    """Bytes of a file after zlib at level 9: what a download or a compressed archive takes."""
    packer, total = zlib.compressobj(9), 0
    with path.open("rb") as handle:
        while piece := handle.read(1 << 20):
            total += len(packer.compress(piece))
    return total + len(packer.flush())


def _few_values(values: Floats) -> int | None:
    most = min(MOST_CLUSTERS, values.size // _VALUES_PER_CLUSTER)
    flat = values.reshape(-1)
    if np.unique(flat[:_FIRST_LOOK]).size > most:
        return None
    count = int(np.unique(flat).size)
    return count if count <= most else None


def _matrices(count: int) -> str:
    return "matrix" if count == 1 else "matrices"


def _listed(names: Iterable[str]) -> str:
    first, *others = names
    return f"{first} and {len(others)} more" if others else first

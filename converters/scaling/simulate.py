"""Data types that no runtime here has kernels for: weights rounded to their values, run in torch.

As in Dettmers and Zettlemoyer (2022): blocks of weights are divided by their largest magnitude and
rounded to the nearest value of a data type. No text is looked at, so they compare with each other
("int" among them) and not with calibrated files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
from edgekit.converters.sources.checkpoint import Checkpoint

from edgekit.errors import InternalError

Floats = npt.NDArray[np.float32]

#: exponent bits of a k-bit float; one bit is the sign, the rest the mantissa. 4, 6 and 8 bits are
#: E2M1, E3M2 and E4M3, as the Open Compute Project's microscaling formats have them; the widths
#: between are ours
EXPONENT_BITS = {2: 1, 3: 2, 4: 2, 5: 2, 6: 3, 7: 3, 8: 4}
#: bits of a block's scale
SCALE_BITS = 16


def int_values(bits: int) -> Floats:
    """Symmetric integers over their largest, float32 [2**bits - 1], in [-1, 1]."""
    top = 2 ** (bits - 1) - 1
    values: Floats = (np.arange(-top, top + 1) / top).astype(np.float32)
    return values


def float_values(bits: int) -> Floats:
    """Sign, exponent and mantissa, subnormals included, no infinities; over the largest.

    Returns:
      float32 [at most 2**bits], ascending, in [-1, 1].
    """
    exponent = EXPONENT_BITS[bits]
    mantissa = bits - 1 - exponent
    steps = 2**mantissa
    values = [m / steps for m in range(steps)]  # subnormal: the exponent of the first normal ones
    for e in range(2**exponent - 1):
        values += [2.0**e * (1 + m / steps) for m in range(steps)]
    half = np.array(values) / max(values)
    return np.unique(np.concatenate([-half, half])).astype(np.float32)


def quantile_values(normalized: Floats, bits: int) -> Floats:
    """Values with as many weights around each: midpoints of quantiles, with 0 and both ends.

    Args:
      normalized: float32 [n], weights over their block's largest magnitude.
      bits: k.
    Returns:
      float32 [at most 2**bits], ascending.
    """
    count = 2**bits
    edges = np.quantile(normalized, np.linspace(0, 1, count + 1))
    values = (edges[:-1] + edges[1:]) / 2
    values[0], values[-1] = -1.0, 1.0
    inner = 1 + int(np.abs(values[1:-1]).argmin())
    values[inner] = 0.0
    return np.unique(values).astype(np.float32)


def rounded(weight: Floats, form: str, bits: int, group: int) -> tuple[Floats, int]:
    """A matrix in a data type, and the bits that it would take.

    Args:
      weight: float32 [out, in].
      form: "int", "float" or "quantile".
      bits: k.
      group: inputs that share a scale, the last group of a row may be shorter; 0 for a row.
    """
    rows, columns = weight.shape
    size = group or columns
    padding = -columns % size
    blocks = np.pad(weight, ((0, 0), (0, padding))).reshape(-1, size)
    # float16, as it would be stored; rounded up to a number above 0 where it underflows
    scales = np.abs(blocks).max(axis=1, keepdims=True).astype(np.float16).astype(np.float32)
    scales[scales == 0] = 1.0
    normalized = blocks / scales
    stored = weight.size * bits + len(blocks) * SCALE_BITS
    if form == "quantile":
        real = normalized.reshape(rows, -1)[:, :columns]
        values = quantile_values(real, bits)
        stored += len(values) * SCALE_BITS  # the codebook of the matrix
    else:
        values = int_values(bits) if form == "int" else float_values(bits)
    middles = (values[:-1] + values[1:]) / 2
    nearest = values[np.searchsorted(middles, normalized)]
    found = (nearest * scales).reshape(rows, -1)[:, :columns]
    return np.ascontiguousarray(found, np.float32), stored


@contextmanager
def weights_of(checkpoint: Checkpoint, values: Mapping[str, Floats]) -> Iterator[None]:
    """The checkpoint's module with other weights; its own come back at the end.

    Args:
      checkpoint: whose ``session()`` is run inside.
      values: parameter -> float32 of the same shape.
    """
    module = checkpoint.module if checkpoint.original is None else checkpoint.original
    held = dict(module.named_parameters())
    parameters = {name: _find(held, name) for name in values}
    before = {name: p.detach().clone() for name, p in parameters.items()}
    with torch.no_grad():
        try:
            for name, p in parameters.items():
                p.copy_(torch.from_numpy(values[name]).reshape(p.shape))
            yield
        finally:
            for name, p in parameters.items():
                p.copy_(before[name])


def _find(held: Mapping[str, torch.nn.Parameter], name: str) -> torch.nn.Parameter:
    """A parameter by its name in the checkpoint, which the module may hold one level deeper."""
    found = [p for key, p in held.items() if key == name or key.endswith(f".{name}")]
    if len(found) != 1:
        raise InternalError(f"parameter {name} is {len(found)} times in the module")
    return found[0]

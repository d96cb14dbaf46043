"""What a file's kernels really multiply, under the names of the source's parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from edgekit.converters.explain.kernels import integer_products, multiplier_of

from edgekit.audit import StoredTensor
from edgekit.audit.audit import open_file
from edgekit.errors import ArtifactError, first_line

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Effective:
    """The weights of a file.

    Attributes:
      values: parameter -> float32 in the source's shape: codes times scales as the kernels see
        them (folded, scales rounded), what the exporter folded in taken out again. Rows that the
        file left out are the source's.
      products: the same for parameters that are looked up and multiplied, and differ there: what
        is multiplied; ``values`` has what is looked up.
      quantized: the parameters stored in codes, in the file's order.
      stored: parameter -> its (first) piece in the file.
      bytes: parameter -> bytes of its codes and scales in the file.
      multipliers: matrix -> float32 [in], what its input is multiplied by first.
      zero_points: matrix -> the code of 0 among the uint8 codes of its input, for those that are
        multiplied as integers; None stands for a grid from each token's least to greatest.
    """

    values: Mapping[str, Floats]
    products: Mapping[str, Floats]
    quantized: tuple[str, ...]
    stored: Mapping[str, StoredTensor]
    bytes: Mapping[str, int]
    multipliers: Mapping[str, Floats]
    zero_points: Mapping[str, int | None]

    @property
    def symmetric(self) -> bool:
        """Activations are rounded around a fixed zero (``Target.symmetric_activations``)."""
        return None not in self.zero_points.values()


def effective_weights_of(
    path: Path, stored: Sequence[StoredTensor], parameters: Mapping[str, Floats]
) -> Effective:
    """Read a written file.

    Args:
      path: of the file.
      stored: where each parameter lies in it.
      parameters: of the source.
    Raises:
      ArtifactError: the file is damaged, or holds other shapes than the source.
    """
    file = open_file(path)
    values: dict[str, Floats] = {}
    products: dict[str, Floats] = {}
    first: dict[str, StoredTensor] = {}
    sizes: dict[str, int] = {}
    multipliers: dict[str, Floats] = {}
    for tensor in stored:
        name = tensor.parameter
        if name not in parameters:
            raise ArtifactError(f"the file holds {name}, which the source has not.", "")
        try:
            found = file.contents(tensor)
            looked_up = found.values
            if tensor.role == "tied" and "channel_scales" in tensor.where:
                # folding to int8 rows is for products: rows are looked up as they were stored
                plain = {p: at for p, at in tensor.where.items() if p != "channel_scales"}
                looked_up = file.contents(replace(tensor, where=plain)).values
            multiplier = multiplier_of(file, tensor)
        except (ValueError, KeyError, IndexError) as error:
            raise ArtifactError(
                f"'{path}': {name} cannot be read ({first_line(error)}).", ""
            ) from error
        source = parameters[name]
        value = values.get(name, source)
        multiplied = tensor.role == "matrix" and first.get(name, tensor).role == "table"
        if multiplied:  # a second piece: what was there is looked up
            products[name] = _in_place(source, tensor, found.values)
        elif tensor.role == "table" and name in values and first[name].role == "matrix":
            products[name] = value
            values[name] = _in_place(source, tensor, looked_up)
        else:
            values[name] = _in_place(value, tensor, looked_up)
            if looked_up is not found.values:
                products[name] = _in_place(source, tensor, found.values)
        first.setdefault(name, tensor)
        bits = found.stored_bits
        if multiplier is not None:
            multipliers[name] = multiplier
            bits -= multiplier.size * 32
        sizes[name] = sizes.get(name, 0) + bits // 8
    coded = [tensor for tensor in stored if not tensor.dtype.startswith("float")]
    quantized = tuple(dict.fromkeys(tensor.parameter for tensor in coded))
    zero_points = integer_products(file, coded)
    return Effective(values, products, quantized, first, sizes, multipliers, zero_points)


def _in_place(value: Floats, tensor: StoredTensor, found: Floats) -> Floats:
    """A parameter with what the file holds of it."""
    whole: Floats = np.array(value, np.float32)
    start, stop = 0, len(whole) if whole.ndim else 1
    if tensor.transform.layout == "rows":
        start, stop = tensor.transform.start, min(stop, tensor.transform.stop or stop)
    part = whole[start:stop] if whole.ndim else whole
    if part.size != found.size:
        raise ArtifactError(
            f"{tensor.parameter} has {found.size} values in the file, {part.size} in the source.",
            "give the checkpoint that was exported with --reference.",
        )
    if whole.ndim:
        whole[start:stop] = found.reshape(part.shape)
    else:
        whole[...] = found.reshape(())
    return whole

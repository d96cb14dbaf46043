"""Examples for models of arrays: from a .npz file, or generated from what the inputs look like."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgekit.contract import Contract
from edgekit.errors import CasesError, first_line
from edgekit.runtime.rows import Row
from edgekit.tasks.base import Example

#: generated examples, and the seed that they are made from
GENERATED = 64
SEED = 11


def read_array_cases(path: Path, contract: Contract) -> list[Example]:
    """Read a .npz file: an array [examples, ...] under the name of each input.

    Raises:
      CasesError: missing, no .npz of plain arrays, an input is missing or of another shape or type,
        or the arrays hold different numbers of examples.
    """
    if not path.is_file():
        raise CasesError(f"cases file '{path}' does not exist.", "check the path.")
    try:
        with np.load(path, allow_pickle=False) as data:
            arrays = {name: data[name] for name in data.files}
    except Exception as error:  # zipfile, zlib and numpy fail with whatever they meet
        raise CasesError(
            f"cases file '{path}' is no .npz file of plain arrays ({first_line(error)}).",
            "write it with numpy.savez(path, NAME=array).",
        ) from error
    wanted = {spec.name: spec for spec in contract.inputs}
    for name, spec in wanted.items():
        value = arrays.get(name)
        if value is None:
            raise CasesError(
                f"cases file '{path}' has no array '{name}' (found {', '.join(arrays) or 'none'}).",
                f"the model's inputs are {', '.join(wanted)}.",
            )
        fits = value.ndim and value.shape[1:] == spec.shape[1:]
        if not fits or not np.can_cast(value.dtype, spec.dtype, "same_kind"):
            raise CasesError(
                f"'{name}' of cases file '{path}' is {value.dtype} {list(value.shape)}, the model "
                f"takes {spec.dtype} {['examples', *spec.shape[1:]]}.",
                "save the arrays as the model takes them, with the examples as first axis.",
            )
    counts = {name: len(arrays[name]) for name in wanted}
    if len(set(counts.values())) > 1 or not next(iter(counts.values())):
        raise CasesError(
            f"cases file '{path}' holds {' and '.join(f'{n} of {k}' for k, n in counts.items())}.",
            "give one or more examples, as many of each input.",
        )
    return [
        Example(f"{path.name} {i}", arrays={name: arrays[name][i] for name in wanted})
        for i in range(next(iter(counts.values())))
    ]


def generated_cases(contract: Contract, top: int, count: int = GENERATED) -> list[Example]:
    """Random examples that fit the inputs: they prove the numbers, not the model's use.

    Args:
      contract: names, types and shapes.
      top: integer inputs are ids below it; half of the examples end in zeros, as padded text does.
      count: how many.
    """
    rng = np.random.default_rng(SEED)
    examples = []
    for number in range(count):
        row: Row = {}
        for spec in contract.inputs:
            shape = tuple(int(n) for n in spec.shape[1:])
            if np.issubdtype(np.dtype(spec.dtype), np.floating):
                row[spec.name] = rng.standard_normal(shape).astype(spec.dtype)
                continue
            value = rng.integers(0, max(2, top), shape).astype(spec.dtype)
            if value.ndim and number % 2:
                value[..., int(rng.integers(1, shape[-1] + 1)) :] = 0
            row[spec.name] = value
        examples.append(Example(f"generated {number}", arrays=row))
    return examples

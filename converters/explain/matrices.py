"""Which single matrices cost most, and what more bits for the worst would cost and win."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from edgekit.converters.explain.effective import Effective
from edgekit.converters.explain.result import Matrix, Raise
from edgekit.converters.explain.simulate import Doubles, Simulation, Variant
from edgekit.converters.explain.storage import (
    raised_bits,
    raised_grid,
    stored_bytes,
    weights_of,
)
from edgekit.converters.quantize.calibration import calibrate_plan
from edgekit.converters.quantize.methods import default_method, get_method
from edgekit.converters.quantize.plan import Plan
from edgekit.converters.quantize.texts import CalibrationText, builtin_texts
from edgekit.converters.sources.checkpoint import Checkpoint

from edgekit.parity.metrics import Interval, bootstrap
from edgekit.qtensor import QuantizedTensor
from edgekit.recipe import MAX_BITS, Grid
from edgekit.runtime.tokenizer import TextTokenizer

Floats = npt.NDArray[np.float32]

#: matrices whose return to float is measured, those with the largest estimates
MEASURED = 10
#: of those, how many are tried at more bits
WORST = 3
#: built-in calibration texts that mean inputs are taken over
MEAN_TEXTS = 200


class Matrices:
    """Measures single matrices of one file.

    Args:
      checkpoint: the source.
      target: "onnx" or "tflite".
      method: the recipe's, or None for the default.
      text: that raised codes are calibrated on.
      effective: the file's weights.
      simulation: the source with parts of them.
      full: everything as in the file.
      base: cosines with everything.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        target: str,
        method: str | None,
        text: CalibrationText,
        effective: Effective,
        simulation: Simulation,
        full: Variant,
        base: Doubles,
    ) -> None:
        self._checkpoint, self._target, self._method = checkpoint, target, method
        self._text, self._effective, self._simulation = text, effective, simulation
        self._full, self._base = full, base
        tables = [t for t in effective.stored.values() if t.role in ("table", "tied")]
        self._most = max((t.shape[0] for t in tables), default=0)
        self._means = self._mean_inputs()

    def measure(self, block_of: Mapping[str, str]) -> list[Matrix]:
        """Every matrix and table, worst first; the first ``WORST`` at more bits too.

        Args:
          block_of: parameter -> the block that holds it.
        """
        names = self._effective.quantized
        estimates = self._estimates()
        likely = sorted(names, key=lambda name: -estimates[name])[:MEASURED]
        wins = {name: self._win(self._returned(name)) for name in likely}
        order = sorted(names, key=lambda n: (0, -wins[n].mean) if n in wins else (1, -estimates[n]))
        raises = self._raises(order[:WORST])
        found = []
        for name in order:
            stored = self._effective.stored[name]
            found.append(
                Matrix(
                    name=name,
                    block=block_of.get(name, ""),
                    role=stored.role,
                    bits=stored.bits,
                    group=stored.group,
                    cols=math.prod(stored.shape[1:]),
                    bytes=self._effective.bytes[name],
                    estimate=estimates[name],
                    wins=wins.get(name),
                    raises=raises.get(name, ()),
                )
            )
        return found

    def _win(
        self, changed: Mapping[str, Floats], products: Mapping[str, Floats] | None = None
    ) -> Interval:
        variant = self._full.but(changed)
        variant = replace(variant, products={**variant.products, **(products or {})})
        apart = self._simulation.cosines(variant) - self._base
        return bootstrap(apart, self._simulation.held.owner)

    def _returned(self, name: str) -> dict[str, Floats]:
        """A matrix as in the source, and its bias as it then would be."""
        source = self._checkpoint.parameters[name]
        return {name: source, **self._following(name, source)}

    def _following(self, name: str, value: Floats) -> dict[str, Floats]:
        """The bias that calibration corrected, with other weights: the mean output stays."""
        if name not in self._means:
            return {}
        apart = np.asarray(self._effective.values[name] - value, np.float32)
        bias = _bias_of(name)
        return {bias: self._effective.values[bias] + apart @ self._means[name]}

    def _mean_inputs(self) -> dict[str, Floats]:
        values, source = self._effective.values, self._checkpoint.parameters
        corrected = [
            name
            for name in self._effective.quantized
            if (bias := _bias_of(name)) in values and not np.array_equal(values[bias], source[bias])
        ]
        if not corrected:
            return {}
        tokenizer = TextTokenizer.from_json(
            self._checkpoint.tokenizer_json, self._checkpoint.contract
        )
        rows = tokenizer.encode(list(builtin_texts(MEAN_TEXTS)), [None] * MEAN_TEXTS)
        return self._simulation.mean_inputs(self._full, corrected, rows)

    def _estimates(self) -> dict[str, float]:
        """Cosine won by each matrix' return to float, to first order: gradient times the change."""
        names = self._effective.quantized
        wanted = {*names, *(_bias_of(name) for name in self._means)}
        slopes = self._simulation.gradients(self._full, wanted)
        found = {}
        for name in names:
            moved = 0.0
            for part, value in self._returned(name).items():
                change = np.asarray(value - self._effective.values[part], np.float64)
                moved -= float((slopes[part] * change).sum())
            found[name] = moved
        return found

    def _raises(self, names: Sequence[str]) -> dict[str, tuple[Raise, ...]]:
        steps = {n: raised_bits(self._effective.stored[n], self._target) for n in names}
        calibrated = self._calibrated({n: bits[0] for n, bits in steps.items() if bits})
        return {
            name: tuple(self._raise(name, b, calibrated if b == bits[0] else {}) for b in bits)
            for name, bits in steps.items()
        }

    def _raise(
        self, name: str, bits: int, calibrated: Mapping[str, tuple[QuantizedTensor, Floats | None]]
    ) -> Raise:
        stored, integer = self._effective.stored[name], name in self._effective.zero_points
        grid = self._grid(name, bits)
        tensor, bias = calibrated.get(name, (None, None))
        method = self._method_of(name, grid) if tensor is not None else self._plain_method(grid)
        if tensor is None:
            tensor = self._without_data(name, grid, method)
        value, products = weights_of(tensor, stored, self._target, integer)
        changed = {name: value}
        if bias is not None:
            changed[_bias_of(name)] = bias
        else:
            changed |= self._following(name, value)
        more = stored_bytes(tensor, stored, self._target, integer) - self._effective.bytes[name]
        return Raise(
            grid.bits,
            method,
            more,
            self._win(changed, {} if products is None else {name: products}),
        )

    def _calibrated(
        self, steps: Mapping[str, int]
    ) -> dict[str, tuple[QuantizedTensor, Floats | None]]:
        """Codes of some matrices at more bits by the file's own method, as an export makes them.

        All other layers are as in the file, tables float: an export calibrates so.
        """
        grids = {name: self._grid(name, bits) for name, bits in steps.items()}
        chosen = {n: g for n, g in grids.items() if self._needs_text(n, g)}
        if not chosen:
            return {}
        fresh = {*chosen, *(_bias_of(name) for name in chosen)}
        start = {
            name: value
            for name, value in self._effective.values.items()
            if name not in fresh and self._effective.stored[name].role in ("matrix", "vector")
        }
        found = calibrate_plan(
            self._checkpoint,
            Plan(chosen, self._method, False),
            set(chosen),
            {n: (1 / m).astype(np.float32) for n, m in self._effective.multipliers.items()},
            self._text,
            self._effective.symmetric if self._effective.zero_points else None,
            start=start,
        )
        source = self._checkpoint.parameters
        return {
            name: (tensor, found.biases.get(_bias_of(name), source.get(_bias_of(name))))
            for name, tensor in found.tensors.items()
        }

    def _without_data(self, name: str, grid: Grid, method: str) -> QuantizedTensor:
        value = self._checkpoint.parameters[name]
        matrix = np.ascontiguousarray(value.reshape(len(value), -1))
        multiplier = self._effective.multipliers.get(name)
        if multiplier is not None:
            matrix = matrix * (1 / multiplier).astype(np.float32)
        tensor, _ = get_method(method).quantize(matrix, None, None, grid)
        return tensor if multiplier is None else replace(tensor, input_multiplier=multiplier)

    def _grid(self, name: str, bits: int) -> Grid:
        stored, integer = self._effective.stored[name], name in self._effective.zero_points
        return raised_grid(stored, bits, self._target, integer, self._most)

    def _method_of(self, name: str, grid: Grid) -> str:
        if grid.bits == MAX_BITS:  # nothing needs data there
            return default_method(grid, False)
        calibrated = self._effective.stored[name].role == "matrix"
        return self._method or default_method(grid, calibrated)

    def _needs_text(self, name: str, grid: Grid) -> bool:
        calibrated = self._effective.stored[name].role == "matrix"
        return calibrated and get_method(self._method_of(name, grid)).needs != "nothing"

    def _plain_method(self, grid: Grid) -> str:
        chosen = self._method
        known = grid.bits < MAX_BITS and chosen and get_method(chosen).needs == "nothing"
        return chosen if chosen and known else default_method(grid, False)


def _bias_of(weight: str) -> str:
    return weight.removesuffix("weight") + "bias"

"""Straight lines in logarithms: damage by bits of one model, and power laws of a family.

The power laws are references. Dettmers and Zettlemoyer (2022) report that a power law in parameters
and bits fits their points badly, and interpolate; the errors here say whether it does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.evaluate.resample import Doubles
from edgekit.scaling.family import Family
from edgekit.scaling.point import FEW_BITS

#: of the variables a law may have: how it is written
VARIABLES = {"N": "parameters", "D": "training tokens", "k": "bits per weight"}


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """y = a * product of variable^exponent, by least squares of log y.

    Attributes:
      variables: of ``VARIABLES``.
      log_scale: log a.
      exponents: variable -> exponent.
      errors: variable -> standard error; NaN without spare points.
      mean_error: mean absolute residual of log y over the fitted points.
      spare: points minus unknowns.
    """

    variables: tuple[str, ...]
    log_scale: float
    exponents: dict[str, float]
    errors: dict[str, float]
    mean_error: float
    spare: int

    def predict(self, at: Mapping[str, float]) -> float:
        """y at these values of the variables."""
        return math.exp(
            self.log_scale + sum(self.exponents[v] * math.log(at[v]) for v in self.variables)
        )


def fit_power(
    variables: Sequence[str], rows: Sequence[Mapping[str, float]], y: Doubles
) -> PowerLaw | None:
    """Fit a power law; None where the points do not identify every exponent.

    Args:
      variables: which.
      rows: their values at each point, above 0.
      y: float64 [n], above 0.
    """
    if len(rows) < len(variables) + 1:
        return None
    logs = np.array([[math.log(row[v]) for v in variables] for row in rows])
    # centred: a variable that never changes has no exponent, whatever its size
    centred = logs - logs.mean(axis=0)
    spread = np.abs(centred).max(axis=0)
    if np.any(spread < 1e-9) or np.linalg.matrix_rank(centred / spread, tol=1e-6) < len(variables):
        return None
    design = np.concatenate([np.ones((len(rows), 1)), centred], axis=1)
    target = np.log(y)
    found = np.linalg.lstsq(design, target, rcond=None)[0]
    residual = target - design @ found
    spare = len(rows) - design.shape[1]
    errors = np.full(design.shape[1], np.nan)
    if spare:
        variance = float(residual @ residual) / spare
        errors = np.sqrt(variance * np.diag(np.linalg.inv(design.T @ design)))
    return PowerLaw(
        tuple(variables),
        float(found[0] - found[1:] @ logs.mean(axis=0)),
        dict(zip(variables, map(float, found[1:]), strict=True)),
        dict(zip(variables, map(float, errors[1:]), strict=True)),
        float(np.abs(residual).mean()),
        spare,
    )


@dataclass(frozen=True, slots=True)
class DamageLine:
    """log(damage) against k of one model and data type: damage is the rise of the log-perplexity.

    Attributes:
      model, form: whose; "int", or a simulated data type.
      simulated: no file holds it.
      few: of ``FEW_BITS`` bits and fewer.
      bits: that took part.
      factor: by which one bit more divides the damage; NaN of fewer than two widths.
      mean_error: mean absolute residual of log damage; NaN without spare points.
      left_out: widths whose damage is not surely above 0: it has no logarithm that means anything.
    """

    model: str
    form: str
    simulated: bool
    few: bool
    bits: tuple[int, ...]
    factor: float
    mean_error: float
    left_out: tuple[int, ...]


def damage_lines(family: Family) -> list[DamageLine]:
    """Of every model and data type; of widths up to 3 bits, and of more, apart."""
    groups: dict[tuple[str, str, bool, bool], list[int]] = {}
    for i in family.usable():
        p = family.points[i]
        if p.form != "unquantized":
            key = (p.model, p.form, p.simulated, p.bits <= FEW_BITS)
            groups.setdefault(key, []).append(i)
    lines = []
    for (model, form, simulated, few), mine in groups.items():
        base = family.base_of(model)
        if base is None:
            continue
        mine.sort(key=lambda i: family.points[i].bits)
        risen = {i: family.difference(i, base) for i in mine}
        sure = [i for i in mine if risen[i].low > 0]
        bits = [family.points[i].bits for i in sure]
        factor = error = math.nan
        if len(sure) >= 2:
            logs = np.log([risen[i].value for i in sure])
            slope, start = np.polyfit(bits, logs, 1)
            factor = math.exp(-slope)
            if len(sure) >= 3:
                error = float(np.abs(logs - (start + slope * np.array(bits))).mean())
        left = tuple(family.points[i].bits for i in mine if i not in sure)
        lines.append(DamageLine(model, form, simulated, few, tuple(bits), factor, error, left))
    return lines

"""Leave-one-out over models: what a form predicts for a model that it has not seen.

Never over single points: the points of one model are measured on the same weights and texts, and
its neighbours on the curve would give each of them away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.scaling.curves import fit_offsets, interpolated, split_by_bits
from edgekit.scaling.family import Family
from edgekit.scaling.laws import fit_power
from edgekit.scaling.power import rows_of

#: point -> what is predicted there, or None where the form says nothing
Predict = Callable[[int], float | None]


@dataclass(frozen=True, slots=True)
class Held:
    """A form's error.

    Attributes:
      form: "interpolation", "parallel offsets", "a * N^b * k^c".
      points: which, in words.
      models: that were left out, one at a time: those between the smallest and the largest, as
        nothing is extrapolated.
      count: points predicted by every form of the group.
      mean_error: mean absolute error of log y; NaN where nothing could be predicted.
      worst: the largest of them.
    """

    form: str
    points: str
    models: tuple[str, ...]
    count: int
    mean_error: float
    worst: float


def leave_one_out(family: Family) -> list[Held]:
    """Errors of the interpolation and of the other forms on the same points of the same models."""
    found: list[Held] = []
    files = [i for i in family.usable(files=True) if family.points[i].form == "int"]
    for group, among in split_by_bits(family, files).items():
        inner = family.models[1:-1]
        errors: dict[str, list[float]] = {}
        models: list[str] = []
        for model in inner:
            mine = [i for i in among if family.points[i].model == model]
            rest = [i for i in among if family.points[i].model != model]
            forms = _forms(family, rest)
            for i in mine:
                told = {name: predict(i) for name, predict in forms.items()}
                if told["interpolation"] is None:  # outside of the other models' curve
                    continue
                models += [] if model in models else [model]
                for name, value in told.items():
                    if value is not None and value > 0:
                        error = abs(float(np.log(value / family.values[i])))
                        errors.setdefault(name, []).append(error)
        for name, values in errors.items():
            found.append(Held(name, f"files, {group}", tuple(models), len(values),
                              float(np.mean(values)), float(np.max(values))))  # fmt: skip
    return found


def _forms(family: Family, rest: Sequence[int]) -> Mapping[str, Predict]:
    """Each form fitted on the models that are left."""
    curves = family.series(rest)
    offsets = fit_offsets(family, rest)
    grids = [i for i in rest if family.points[i].form == "int"]
    law = None
    if len({family.points[i].bits for i in grids}) >= 3:
        law = fit_power(("N", "k"), rows_of(family, grids, {}), family.values[grids])

    def between(i: int) -> float | None:
        curve = curves.get(family.points[i].series, [])
        if len(curve) < 2:
            return None
        value = interpolated(
            family.log_bits[curve], family.values[curve], float(family.log_bits[i])
        )
        return None if value is None else float(value)

    def shifted(i: int) -> float | None:
        series = family.points[i].series
        if offsets is None or series not in offsets.offsets:
            return None
        return offsets.predict(series, float(family.log_bits[i]))

    def power(i: int) -> float | None:
        if law is None or family.points[i].form != "int":
            return None
        return law.predict(rows_of(family, [i], {})[0])

    return {"interpolation": between, "parallel offsets": shifted, "a * N^b * k^c": power}

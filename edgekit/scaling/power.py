"""Which power laws are fitted to a family, and on which points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.scaling.curves import split_by_bits
from edgekit.scaling.family import Family
from edgekit.scaling.laws import PowerLaw, fit_power


@dataclass(frozen=True, slots=True)
class LawFit:
    """A law and what it was fitted to.

    Attributes:
      name: how it is written.
      points: which, in words.
      count: of those points.
      law: None where the points do not identify it; ``why`` says so.
      why: "" where there is a law.
    """

    name: str
    points: str
    count: int
    law: PowerLaw | None
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data; only exponents that are identified."""
        law = self.law
        told: dict[str, Any] = {"name": self.name, "points": self.points, "count": self.count,
                                "why": self.why}  # fmt: skip
        if law is not None:
            told |= {
                "log_scale": law.log_scale,
                "exponents": law.exponents,
                "standard_errors": {k: None if math.isnan(v) else v for k, v in law.errors.items()},
                "mean_abs_error_log_y": law.mean_error if law.spare else None,
                "spare": law.spare,
            }
        return told


def power_laws(family: Family, tokens: Mapping[str, float]) -> list[LawFit]:
    """The textbook law on unquantized points, and the one with bits in place of data on files.

    Args:
      family: the points.
      tokens: training tokens of each model; empty when not known.
    """
    bases = [i for m in family.models if (i := family.base_of(m)) is not None]
    bases = [i for i in bases if i in family.usable()]
    fits = [_fit(family, "a * N^b", ("N",), bases, "unquantized", tokens)]
    if tokens:
        fits.append(_fit(family, "a * N^b * D^c", ("N", "D"), bases, "unquantized", tokens))
    else:
        fits.append(LawFit("a * N^b * D^c", "unquantized", len(bases), None,
                           "training tokens are not known: --tokens"))  # fmt: skip
    files = [i for i in family.usable(files=True) if family.points[i].form == "int"]
    for group, mine in split_by_bits(family, files).items():
        fits.append(_fit(family, "a * N^b * k^c", ("N", "k"), mine, f"files, {group}", tokens))
    return fits


def rows_of(
    family: Family, among: Sequence[int], tokens: Mapping[str, float]
) -> list[dict[str, float]]:
    """The variables of some points."""
    return [
        {
            "N": float(family.points[i].parameters),
            "k": float(family.points[i].bits),
            "D": float(tokens.get(family.points[i].model, math.nan)),
        }
        for i in among
    ]


def _fit(
    family: Family,
    name: str,
    variables: tuple[str, ...],
    among: Sequence[int],
    points: str,
    tokens: Mapping[str, float],
) -> LawFit:
    models = {family.points[i].model for i in among}
    if len(models) < 3:
        return LawFit(name, points, len(among), None, f"{len(models)} sizes; 3 are needed")
    widths = {family.points[i].bits for i in among}
    if "k" in variables and len(widths) < 3:
        return LawFit(name, points, len(among), None, f"{len(widths)} widths; 3 are needed")
    law = fit_power(variables, rows_of(family, among, tokens), family.values[list(among)])
    why = "" if law is not None else "the points do not tell the exponents apart"
    return LawFit(name, points, len(among), law, why)

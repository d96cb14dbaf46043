"""Scaling: everything that was measured, fitted and answered."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from edgekit.errors import UsageError
from edgekit.scaling.answer import Answer, FourBits, answer_budget, four_bits
from edgekit.scaling.curves import Offsets, fit_offsets, split_by_bits
from edgekit.scaling.family import Family
from edgekit.scaling.front import front_of, front_shares
from edgekit.scaling.laws import DamageLine, damage_lines
from edgekit.scaling.leave_one_out import Held, leave_one_out
from edgekit.scaling.point import ScalingPoint
from edgekit.scaling.power import LawFit, power_laws
from edgekit.sweep.options import Refused

#: what scaling.json says it is
KIND = "edgekit scaling"


@dataclass(frozen=True)
class Scaling:
    """The result.

    Attributes:
      facts: what was measured on: models, text, calibration, unit ("token" or "byte"), versions.
      points: model by model.
      weights: tokens (or bytes) of each text.
      budgets: bytes, ascending; asked for.
      refused: precisions that the target does not make.
    """

    facts: Mapping[str, Any]
    points: tuple[ScalingPoint, ...]
    weights: tuple[int, ...]
    budgets: tuple[int, ...] = ()
    refused: tuple[Refused, ...] = ()

    @cached_property
    def family(self) -> Family:
        """The points with their metric."""
        return Family(self.points, self.weights)

    @cached_property
    def front(self) -> list[int]:
        """Files that no other file beats in bytes and metric at once, smallest first."""
        return front_of(self.family)

    @cached_property
    def shares(self) -> dict[int, float]:
        """File -> share of the resamples in which it is on the front."""
        return front_shares(self.family)

    @cached_property
    def offsets(self) -> dict[str, Offsets | None]:
        """The parallel-offset model of int files and bases, 4 bits and more, and fewer, apart."""
        files = self.family.usable(files=True)
        groups = split_by_bits(self.family, files)
        return {name: fit_offsets(self.family, mine) for name, mine in groups.items()}

    @cached_property
    def damage(self) -> list[DamageLine]:
        """log(damage) against k."""
        return damage_lines(self.family)

    @cached_property
    def laws(self) -> list[LawFit]:
        """The reference power laws."""
        return power_laws(self.family, self.facts.get("training_tokens") or {})

    @cached_property
    def held_out(self) -> list[Held]:
        """Errors of every form on models that it was not fitted on."""
        return leave_one_out(self.family)

    @cached_property
    def answers(self) -> list[Answer]:
        """One per budget."""
        return [answer_budget(self.family, budget) for budget in self.budgets]

    @cached_property
    def four_bits(self) -> FourBits | None:
        """Whether 4 bits is the best width, where the data say."""
        return four_bits(self.family, self.front, self.shares)

    def check_budgets(self) -> None:
        """Refuse budgets outside of the files that were measured.

        Raises:
          UsageError: one is smaller than the smallest file, or larger than the largest.
        """
        sizes = [self.points[i].size_bytes or 0 for i in self.family.usable(files=True)]
        for budget in self.budgets:
            if not sizes or not min(sizes) <= budget <= max(sizes):
                seen = f"{min(sizes):,} to {max(sizes):,} bytes" if sizes else "none"
                raise UsageError(
                    f"a budget of {budget:,} bytes is outside the sizes that were measured "
                    f"({seen}); nothing is extrapolated.",
                    "choose one between, or add a smaller or larger model.",
                )

    def to_json(self) -> dict[str, Any]:
        """Plain data: scaling.json."""
        points = []
        for i, p in enumerate(self.points):
            found = self.family.estimate(i)
            points.append({
                **p.to_json(), "series": p.series, "simulated": p.simulated,
                "log_perplexity": _out(asdict(found)), "on_front": i in self.front,
                "front_share": self.shares.get(i),
            })  # fmt: skip
        return {
            "kind": KIND,
            **self.facts,
            "weights": list(self.weights),
            "points": points,
            "refused": [asdict(r) for r in self.refused],
            "offsets": {n: None if o is None else _out(asdict(o)) for n, o in self.offsets.items()},
            "damage": [_out(asdict(line)) for line in self.damage],
            "power_laws": [law.to_json() for law in self.laws],
            "leave_one_out": [_out(asdict(held)) for held in self.held_out],
            "four_bits": None if self.four_bits is None else _out(asdict(self.four_bits)),
            "budgets": [_out(asdict(answer)) for answer in self.answers],
        }


def _out(value: Any) -> Any:
    """Numbers that are not defined are null."""
    if isinstance(value, dict):
        return {key: _out(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_out(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

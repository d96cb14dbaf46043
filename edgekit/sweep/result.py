"""Sweep: everything that was asked, measured, refused and recommended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgekit.sweep.front import front_of
from edgekit.sweep.options import Refused
from edgekit.sweep.point import Point
from edgekit.sweep.recommend import Recommendation, recommend

#: what sweep.json says it is
KIND = "edgekit sweep"


@dataclass(frozen=True, slots=True)
class Failed:
    """A combination that could not be measured, and why."""

    target: str
    recipe: str
    reason: str
    hint: str
    model: str = ""


@dataclass(frozen=True, slots=True)
class Sweep:
    """The result.

    Attributes:
      facts: what was measured on: source, lengths, calibration, held-out text, data, versions.
      points: in the order of the options.
      refused: combinations that are not made.
      failed: those that died or could not be measured.
    """

    facts: Mapping[str, Any]
    points: tuple[Point, ...]
    refused: tuple[Refused, ...] = ()
    failed: tuple[Failed, ...] = field(default=())

    @property
    def targets(self) -> list[str]:
        """Of the points, each once."""
        return list(dict.fromkeys(p.target for p in self.points))

    @property
    def fronts(self) -> dict[str, list[Point]]:
        """The Pareto front of each target, smallest file first."""
        return {target: front_of(self.points, target) for target in self.targets}

    @property
    def recommendations(self) -> list[Recommendation]:
        """One for each target that has more than studies."""
        shipped = {p.target for p in self.points if not p.is_study}
        return [recommend(self.points, target) for target in self.targets if target in shipped]

    @property
    def metric(self) -> str | None:
        """The metric over labelled data, where there is one."""
        return next((p.metric.name for p in self.points if p.metric is not None), None)

    @property
    def has_models(self) -> bool:
        """There is more than one checkpoint."""
        return any(p.model for p in self.points)

    @property
    def has_times(self) -> bool:
        """Files were timed."""
        return any(p.time is not None for p in self.points)

    @property
    def has_studies(self) -> bool:
        """Some points are studies."""
        return any(p.is_study for p in self.points)

    def on_front(self, point: Point) -> bool:
        """No other file of its target is at once smaller and better."""
        return point in front_of(self.points, point.target)

    def to_json(self) -> dict[str, Any]:
        """Plain data: sweep.json."""
        return {
            "kind": KIND,
            **self.facts,
            "points": [{**p.to_json(), "on_front": self.on_front(p)} for p in self.points],
            "refused": [_plain(r) for r in self.refused],
            "failed": [_plain(f) for f in self.failed],
            "recommendations": [r.to_json() for r in self.recommendations],
        }


def _plain(found: Refused | Failed) -> dict[str, str]:
    return {"target": found.target, "recipe": found.recipe, "reason": found.reason,
            "hint": found.hint, "model": found.model}  # fmt: skip

"""From a budget to a mix and what the manifest says of it."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from edgekit.converters.float_model import FloatModel, Target
from edgekit.converters.mixed.quality import Cosine, Drop, Labelled, quality_of
from edgekit.converters.mixed.search import Found, Search
from edgekit.converters.mixed.store import Store, default_folder
from edgekit.converters.mixed.workshop import Workshop
from edgekit.converters.pipeline import Quantized
from edgekit.converters.quantize.statistics import InputStats
from edgekit.converters.quantize.texts import CalibrationText
from edgekit.converters.sources.checkpoint import Checkpoint

from edgekit.budget import Budget
from edgekit.progress import Progress
from edgekit.recipe import Grid, Recipe


class Mixer:
    """Finds the mix of each target (``pipeline.Mixer``).

    Args:
      checkpoint: the source.
      budget: what is to be kept.
      text: what calibration may look at.
      cache: folder of earlier results; None for the user's cache folder, where it can be written.
      progress: where stages are told.
    Raises:
      UsageError, UnsupportedError, CasesError: the metric or its data do not fit the model.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        budget: Budget,
        text: CalibrationText,
        cache: Path | None,
        progress: Progress,
    ) -> None:
        self._checkpoint, self._budget, self._text = checkpoint, budget, text
        self._progress = progress
        self._quality: Cosine | Labelled = quality_of(checkpoint, budget)
        self._store = (
            Store(default_folder(), checkpoint, needed=False)
            if cache is None
            else Store(cache, checkpoint)
        )

    def __call__(
        self,
        target: Target,
        model: FloatModel,
        recipe: Recipe,
        stats: Mapping[str, InputStats],
        scratch: Path,
    ) -> tuple[Recipe, Quantized, dict[str, Any]]:
        """Search.

        Returns:
          the recipe with its grids, what it makes of the model, and the manifest's ``budget``.
        """
        shop = Workshop(
            self._checkpoint, target, model, recipe, stats, self._text, self._store,
            self._progress, scratch,
        )  # fmt: skip
        search = Search(shop, self._quality)
        size = self._budget.max_size
        if size is not None:
            found = search.within_size(size)
        else:
            found = search.within_drop(self._budget.limit)
        drop = search.verified(found)
        return recipe.with_mix(found.made.mix), found.made.made, self._record(found, drop)

    def _record(self, found: Found, drop: Drop) -> dict[str, Any]:
        budget = self._budget
        size = budget.max_size
        if size is not None:
            kept = found.fits
            text = f"{found.made.size:,} bytes of {size:,}"
            if not kept:
                text = f"the least possible is {found.made.size:,} bytes, at most {size:,} asked"
            text += f"; {told(self._quality.metric, drop)} on text that was not searched on"
        else:
            kept = found.fits and drop.value <= budget.limit
            text = f"{told(self._quality.metric, drop)}, at most {_amount(budget)} asked"
            if not found.fits:
                text += ", and 8 bits per row lose that already"
            elif not kept and found.searched is not None:
                text += f" (the search had seen {_percent(self._quality.metric, found.searched)})"
        record: dict[str, Any] = {
            "limit": budget.name,
            "kept": bool(kept),
            "found": text,
            "summary": summary(found, self._checkpoint),
            "predicted": round(found.damage, 8),
            "gap": round(found.gap, 8),
            "tried": found.tried,
            "verified": {"metric": self._quality.metric, **drop.to_json()},
        }
        if found.searched is not None:
            record["searched"] = {"metric": self._quality.metric, **found.searched.to_json()}
        if found.uniform is not None:
            other = found.uniform
            record["uniform"] = {
                "recipe": other.name, "size_bytes": other.size,
                "predicted": round(other.damage, 8), "measured": found.beaten,
            }  # fmt: skip
        return record


def told(metric: str, drop: Drop) -> str:
    """A drop in words, with its interval."""
    if metric == "cosine":
        return f"cosine {1 - drop.value:.4f} ({1 - drop.high:.4f} to {1 - drop.low:.4f})"
    low, high = drop.low * 100, drop.high * 100
    return f"{metric} falls by {drop.value * 100:.2f} points ({low:.2f} to {high:.2f})"


def _percent(metric: str, drop: Drop) -> str:
    return f"{drop.value:.4f}" if metric == "cosine" else f"{drop.value * 100:.2f} points"


def _amount(budget: Budget) -> str:
    if budget.metric == "cosine":
        return f"{budget.limit:g} below 1"
    return f"{budget.limit * 100:g} points"


def summary(found: Found, checkpoint: Checkpoint) -> list[str]:
    """Who got most and least, how good the choice is, and the uniform recipe beside it."""
    sizes = {n: prod(checkpoint.parameters[n].shape) for n in found.made.mix}
    mean = sum(g.bits * sizes[n] for n, g in found.made.mix.items()) / max(1, sum(sizes.values()))
    large = [n for n, size in sizes.items() if size * 200 >= max(sizes.values())]
    order = sorted(large, key=lambda n: (-_per_weight(found.made.mix[n], checkpoint, n), n))
    few = min(3, max(1, len(order) // 2))

    def listed(names: list[str]) -> str:
        return ", ".join(f"{n.removesuffix('.weight')} {found.made.mix[n]}" for n in names)

    lines = [
        f"{mean:.2f} bits per code on average; most: {listed(order[:few])}; "
        f"least: {listed(order[-few:])}",
        f"predicted damage {found.damage:.5f} of weights; any other choice is better by "
        f"{found.gap:.2%} at most",
    ]
    other = found.uniform
    if other is not None:
        better = "measured worse" if found.beaten else f"predicted {other.damage:.5f}"
        lines.append(f"best uniform recipe of that size: {other.name} ({better})")
    return lines


def _per_weight(grid: Grid, checkpoint: Checkpoint, name: str) -> float:
    return grid.bits_per_weight(prod(checkpoint.parameters[name].shape[1:]))

"""The search: the best mix that fits a size, or the smallest that keeps a drop, measured."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path

from edgekit.converters.mixed.fit import (
    damage_of,
    fit_size,
    mix_of,
    size_of,
    smallest,
    with_graph,
)
from edgekit.converters.mixed.quality import Cosine, Drop, Labelled
from edgekit.converters.mixed.workshop import Made, Mix, Workshop
from edgekit.converters.quantize.budget import choose

from edgekit.recipe import Grid

#: files that a search for a drop may measure
_ROUNDS = {"cosine": 5, "": 7}
#: a mix whose predicted damage is above this share of the best uniform recipe's is measured
#: against it: predictions are good to about 10 %
NEAR = 0.9
#: a first guess for metrics of decisions: the predicted damage that they begin to feel
_GUESS = 0.02


@dataclass(frozen=True, slots=True)
class Uniform:
    """A recipe of one grid for all matrices and one for all tables."""

    name: str
    mix: Mix
    size: int
    damage: float


@dataclass(frozen=True, slots=True)
class Found:
    """What a search ended with.

    Attributes:
      made: the file.
      damage: predicted, of the weights alone.
      gap: how much less damage (or size) another choice could have at most, as a share.
      fits: nothing that was measured while searching speaks against the budget.
      uniform: the best uniform recipe within a size budget, where there is one.
      beaten: it was measured beside it on search text, and was better.
      tried: files that were measured.
      searched: the drop on search data.
    """

    made: Made
    damage: float
    gap: float
    fits: bool
    uniform: Uniform | None = None
    beaten: bool = False
    tried: int = 0
    searched: Drop | None = None


class Search:
    """One search.

    Args:
      shop: makes files.
      quality: measures them.
    """

    def __init__(self, shop: Workshop, quality: Cosine | Labelled) -> None:
        self._shop, self._quality = shop, quality
        self.options = with_graph(shop.options(), shop.weights().roles, shop.true_size)
        self._weights = shop.weights()
        self._count = 0

    def largest(self) -> dict[str, Grid]:
        """8 bits per row everywhere."""
        return {n: Grid.parse(options[0].name) for n, options in self.options.items()}

    def within_size(self, limit: int) -> Found:
        """The best file of at most so many bytes; the smallest possible where none is."""
        asked = limit
        while True:
            self._shop.progress.stage(f"choose among {self._number_of_options()} options")
            fitted = fit_size(self.options, limit, self._shop.true_size)
            if fitted is None:
                return self._smallest()
            mix, choice, _ = fitted
            made = self._shop.make(mix)
            found = Found(made, choice.damage, choice.gap, True)
            if made.size <= asked:
                return self._beside_uniform(found, asked)
            limit -= made.size - asked  # the estimate of the size was too low

    def within_drop(self, limit: float) -> Found:
        """The smallest file whose measured drop is within a limit, on search data."""
        mix = self.largest()
        best = self._measured(mix, damage_of(mix, self.options), 0.0)
        assert best.searched is not None
        first, least = self._quality.careful(best.searched), best.damage
        if best.searched.value > limit:
            return replace(best, fits=False, tried=self._count)
        most = sum(max(o.damage for o in options) for options in self.options.values())
        linear = self._quality.metric == "cosine"
        aim = least + limit - first if linear else _GUESS
        bad = float("inf")
        seen = {str(sorted(mix.items()))}
        for _ in range(_ROUNDS[self._quality.metric if linear else ""]):
            if not best.damage < aim < bad:
                aim = sqrt(best.damage * bad) if bad < float("inf") else best.damage * 3
            choice = choose(self.options, max_damage=min(aim, most))
            mix = mix_of(choice, self.options)
            if str(sorted(mix.items())) in seen:
                break
            seen.add(str(sorted(mix.items())))
            tried = self._measured(mix, choice.damage, choice.gap)
            assert tried.searched is not None
            drop = self._quality.careful(tried.searched)
            if drop <= limit:
                best = tried if tried.made.size <= best.made.size else best
            else:
                bad = min(bad, choice.damage)
            if linear:
                if drop <= limit < drop * 1.03:
                    break
                slope = (drop - first) / max(choice.damage - least, 1e-12)
                aim = least + (limit - first) / slope if slope > 0 else most
            else:
                aim = sqrt(best.damage * bad) if bad < float("inf") else choice.damage * 3
            if bad < best.damage * 1.1:
                break
        return replace(best, tried=self._count)

    def verified(self, found: Found) -> Drop:
        """The last word: the drop on data that no search has seen."""
        self._shop.progress.stage(f"verify {self._quality.metric}")
        return self._quality.drop(found.made.path, "verify")

    def uniform(self, limit: int, rest: int) -> Uniform | None:
        """The uniform recipe of least predicted damage within a size.

        Args:
          limit: bytes.
          rest: bytes of a file besides codes and scales.
        """
        best: Uniform | None = None
        for weights, tables, mix in self._uniform_mixes():
            size = size_of(mix, self.options) + rest
            damage = damage_of(mix, self.options)
            if size <= limit and (best is None or damage < best.damage):
                activations = "_a8" if self._weights.int8 else ""
                name = f"w{weights}{activations}+e{tables}".removesuffix("+e8c")
                best = Uniform(name, mix, size, damage)
        return best

    def _uniform_mixes(self) -> list[tuple[str, str, dict[str, Grid]]]:
        """Every pair of grids, one for matrices and one for tables."""
        roles = self._weights.roles
        tables = {n for n, role in roles.items() if role in ("table", "tied")}
        kinds = [
            sorted({o.name for n, opts in self.options.items() if (n in tables) == t for o in opts})
            for t in (False, True)
        ]
        found = []
        for weights in kinds[0] or ["8c"]:
            for table in kinds[1] or ["8c"]:
                mix = {}
                for name, options in self.options.items():
                    wanted = table if name in tables else weights
                    known = {o.name for o in options}
                    mix[name] = Grid.parse(wanted if wanted in known else options[0].name)
                found.append((weights, table, mix))
        return found

    def _beside_uniform(self, found: Found, limit: int) -> Found:
        """The mix, or a uniform recipe within the same size that measures better."""
        rest = found.made.size - size_of(found.made.mix, self.options)
        other = self.uniform(limit, rest)
        if other is None or found.damage <= NEAR * other.damage or other.mix == found.made.mix:
            return replace(found, uniform=other, tried=self._count)
        mine = self._measured(found.made.mix, found.damage, found.gap)
        made = self._measured(other.mix, other.damage, 0.0)
        assert mine.searched is not None
        assert made.searched is not None
        if made.made.size <= limit and made.searched.value < mine.searched.value:
            return replace(made, uniform=other, tried=self._count)
        return replace(mine, uniform=other, beaten=True, tried=self._count)

    def _measured(self, mix: Mix, damage: float, gap: float) -> Found:
        made = self._shop.make(mix)
        self._count += 1
        # each file keeps its place: the next one has the same name
        folder = self._shop.scratch / f"tried-{self._count}"
        folder.mkdir(exist_ok=True)
        path = Path(shutil.move(made.path, folder / made.path.name))
        made = replace(made, path=path)
        self._shop.progress.stage(f"measure {made.size / 1e6:.2f} MB: {self._quality.metric}")
        return Found(made, damage, gap, True, searched=self._quality.drop(path, "search"))

    def _smallest(self) -> Found:
        """The file of fewest bytes, as the closest to a budget that nothing keeps."""
        mix = smallest(self.options)
        return Found(self._shop.make(mix), damage_of(mix, self.options), 0.0, False)

    def _number_of_options(self) -> int:
        return sum(len(options) for options in self.options.values())

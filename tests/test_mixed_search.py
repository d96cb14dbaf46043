"""The search itself, on a toy of six matrices: the exact best, whatever a file holds besides."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgekit.recipe import Grid

pytestmark = pytest.mark.heavy

NAMES = tuple("abcdef")
GRIDS = ("8c", "6g32", "5g16", "4g32", "3g16", "2g64")
#: bytes of a file besides codes and scales, and what each width needs of graph
REST, GRAPH = 777, {8: 0, 6: 60, 5: 90, 4: 20, 3: 80, 2: 20}


@pytest.fixture(scope="module")
def options() -> dict[str, list[Any]]:
    from edgekit.converters.quantize.budget import Option

    rng = np.random.default_rng(3)
    found = {}
    for name in NAMES:
        weights, harm = int(rng.integers(200, 3000)), float(rng.uniform(1, 50))
        found[name] = [
            Option(grid, weights * int(grid[0]) // 8 + 20, harm * 4.0 ** -int(grid[0]))
            for grid in GRIDS
        ]
    return found


def file_size(mix: Mapping[str, Grid], options: Mapping[str, list[Any]]) -> int:
    codes = sum(next(o.size for o in options[n] if o.name == str(g)) for n, g in mix.items())
    return codes + REST + sum(GRAPH[g.bits] for g in mix.values())


def every_mix(options: Mapping[str, list[Any]]) -> list[tuple[int, float]]:
    """True size and damage of all 6**6 mixes."""
    found = []
    for picks in product(range(len(GRIDS)), repeat=len(NAMES)):
        chosen = [options[n][i] for n, i in zip(NAMES, picks, strict=True)]
        graph = sum(GRAPH[int(o.name[0])] for o in chosen)
        found.append((sum(o.size for o in chosen) + graph + REST, sum(o.damage for o in chosen)))
    return found


class Shop:
    """Stands for ``workshop.Workshop``: files are numbers."""

    def __init__(self, options: dict[str, list[Any]], scratch: Path) -> None:
        self._options, self.scratch = options, scratch
        self.progress = SimpleNamespace(stage=lambda text: None)
        self.made: list[Mapping[str, Grid]] = []

    def options(self) -> dict[str, list[Any]]:
        return self._options

    def weights(self) -> Any:
        return SimpleNamespace(roles=dict.fromkeys(NAMES, "matrix"), int8=True)

    def true_size(self, mix: Mapping[str, Grid]) -> int:
        return file_size(mix, self._options)

    def make(self, mix: Mapping[str, Grid]) -> Any:
        from edgekit.converters.mixed.workshop import Made

        self.made.append(mix)
        path = self.scratch / "file"
        path.write_bytes(b"x" * file_size(mix, self._options))
        return Made(mix, None, path, path.stat().st_size)


class Meter:
    """Measures what was predicted, times a factor, plus what activations lose."""

    metric = "cosine"

    def __init__(self, shop: Shop, factor: float, floor: float) -> None:
        self.shop, self.factor, self.floor = shop, factor, floor

    def drop(self, path: Path, part: str) -> Any:
        from edgekit.converters.mixed.fit import damage_of
        from edgekit.converters.mixed.quality import Drop

        value = self.floor + self.factor * damage_of(self.shop.made[-1], self.shop.options())
        return Drop(value, value, value, 100)

    def careful(self, drop: Any) -> float:
        return float(drop.value)


def search(options: dict[str, list[Any]], scratch: Path, factor: float, floor: float) -> Any:
    from edgekit.converters.mixed.search import Search

    shop = Shop(options, scratch)
    return Search(shop, Meter(shop, factor, floor))  # type: ignore[arg-type]


@pytest.mark.parametrize("share", [0.05, 0.2, 0.4, 0.6, 0.8, 0.95])
def test_within_a_size_it_equals_brute_force(
    share: float, options: dict[str, list[Any]], tmp_path: Path
) -> None:
    everything = every_mix(options)
    sizes = [size for size, _ in everything]
    limit = int(min(sizes) + share * (max(sizes) - min(sizes)))
    best = min(damage for size, damage in everything if size <= limit)
    found = search(options, tmp_path, 1.0, 0.0).within_size(limit)
    assert found.fits
    assert found.made.size <= limit
    assert found.damage == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize("limit", [0.01, 0.05, 0.5])
def test_within_a_drop_it_comes_close_to_the_smallest(
    limit: float, options: dict[str, list[Any]], tmp_path: Path
) -> None:
    """The measured drop is 1.7 times the prediction and has a floor: both must be found out."""
    factor, floor = 1.7, 0.001
    best = min(s for s, d in every_mix(options) if floor + factor * d <= limit)
    found = search(options, tmp_path, factor, floor).within_drop(limit)
    assert found.fits
    assert found.searched.value <= limit
    assert best <= found.made.size <= best * 1.03


def test_a_size_that_nothing_fits_gives_the_smallest(
    options: dict[str, list[Any]], tmp_path: Path
) -> None:
    least = min(size for size, _ in every_mix(options))
    found = search(options, tmp_path, 1.0, 0.0).within_size(least - 1)
    assert not found.fits
    assert found.made.size == least
    assert search(options, tmp_path, 1.0, 0.0).within_size(least).fits


def test_a_drop_that_activations_alone_exceed(
    options: dict[str, list[Any]], tmp_path: Path
) -> None:
    found = search(options, tmp_path, 1.0, 0.05).within_drop(0.01)
    assert not found.fits
    assert {str(grid) for grid in found.made.mix.values()} == {"8c"}


def test_it_is_never_worse_than_the_best_uniform_recipe(
    options: dict[str, list[Any]], tmp_path: Path
) -> None:
    everything = search(options, tmp_path, 1.0, 0.0)
    for grid in GRIDS[1:]:
        uniform = {name: Grid.parse(grid) for name in NAMES}
        limit = file_size(uniform, options)
        found = everything.within_size(limit)
        damage = sum(o.damage for n in NAMES for o in options[n] if o.name == grid)
        assert found.damage <= damage * (1 + 1e-9)
        assert found.uniform is not None
        assert found.damage <= found.uniform.damage * (1 + 1e-9) <= damage * (1 + 1e-8)


def test_a_uniform_recipe_that_measures_better_is_taken(
    options: dict[str, list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgekit.converters.mixed import search as module
    from edgekit.converters.mixed.quality import Drop

    everything = search(options, tmp_path, 1.0, 0.0)
    uniform = {name: Grid.parse("4g32") for name in NAMES}
    limit = file_size(uniform, options)

    def drop(path: Path, part: str) -> Drop:
        value = 0.1 if len(set(map(str, everything._shop.made[-1].values()))) > 1 else 0.01
        return Drop(value, value, value, 9)

    monkeypatch.setattr(module, "NEAR", 0.0)
    monkeypatch.setattr(everything._quality, "drop", drop)
    found = everything.within_size(limit)
    assert found.made.mix == found.uniform.mix
    assert found.searched.value == 0.01
    assert found.made.size <= limit


def test_a_calibration_of_all_built_in_sentences_leaves_text_to_judge_on() -> None:
    from edgekit.converters.mixed.workshop import TEXTS, unseen_texts
    from edgekit.converters.quantize.texts import CalibrationText, builtin_texts

    everything = CalibrationText("all", builtin_texts(None))
    found = unseen_texts(everything)
    assert 0 < len(found) <= TEXTS
    assert not set(found) & set(everything.texts)

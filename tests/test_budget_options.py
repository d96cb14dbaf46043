"""Budgets as the command line says them, and everything that cannot be one."""

from __future__ import annotations

from pathlib import Path

import pytest

import edgekit
from edgekit.budget import read_budget
from edgekit.errors import CasesError, RecipeSyntaxError, UsageError
from edgekit.recipe import Grid, Recipe, max_bytes


@pytest.mark.parametrize(
    ("text", "name", "size"),
    [
        ("12MB", "12MB", 12_000_000),
        ("12 mb", "12MB", 12_000_000),
        ("10.50MB", "10.5MB", 10_500_000),
        ("900KB", "900KB", 900_000),
        ("11.5MiB", "11.5MiB", 12_058_624),
        ("12000000", "12000000B", 12_000_000),
        ("1GB", "1GB", 10**9),
    ],
)
def test_sizes(text: str, name: str, size: int) -> None:
    budget = read_budget(text, None)
    assert budget is not None
    assert (budget.name, budget.max_size, budget.metric) == (name, size, "")
    recipe = Recipe.parse(f"mix-{name}_a8@gptq")
    assert (recipe.budget, recipe.int8_activations, recipe.method) == (name, True, "gptq")
    assert str(recipe) == f"mix-{name}_a8@gptq"
    assert max_bytes(recipe.budget) == size


@pytest.mark.parametrize(
    ("text", "data", "name", "limit"),
    [
        ("cosine=0.01", None, "cosine0.01", 0.01),
        ("cosine=0.010", None, "cosine0.01", 0.01),
        ("accuracy=0.5", "d.tsv", "accuracy0.5", 0.005),
        ("qa-f1=1", "d.jsonl", "qa-f11", 0.01),
        ("f1-macro=1.5", "d.jsonl", "f1-macro1.5", 0.015),
    ],
)
def test_drops(text: str, data: str | None, name: str, limit: float) -> None:
    budget = read_budget(None, text, data)
    assert budget is not None
    assert (budget.name, budget.max_size) == (name, None)
    assert budget.limit == pytest.approx(limit)
    assert str(Recipe.parse(f"mix-{name}")) == f"mix-{name}"
    assert max_bytes(name) is None


@pytest.mark.parametrize(
    "text", ["0", "0MB", "0.1B", "-1MB", "-5", "twelve", "12 parsecs", "", "MB", "1e6", "nan",
             "inf", "12MB!", "99999999999999999999"]
)  # fmt: skip
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_budget(text, None)
    assert caught.value.hint


@pytest.mark.parametrize(
    "text", ["cosine", "cosine=", "cosine=0", "cosine=-0.1", "cosine=1", "cosine=x", "=0.1", "0.01",
             "accuracy=0", "accuracy=100", "Accuracy=1", "accuracy=1%"]
)  # fmt: skip
def test_what_is_no_drop(text: str) -> None:
    data = "d.tsv" if text.startswith("acc") else None
    with pytest.raises(UsageError) as caught:
        read_budget(None, text, data)
    assert caught.value.hint


@pytest.mark.parametrize(
    "options",
    [
        {"max_size": "12MB", "max_drop": "cosine=0.01"},
        {"max_size": "12MB", "data": "d.tsv"},
        {"max_size": None, "max_drop": None, "metric": "accuracy"},
        {"max_size": None, "max_drop": None, "data": "d.tsv"},
        {"max_size": None, "max_drop": "accuracy=1"},
        {"max_size": None, "max_drop": "accuracy=1", "verify_data": "v.tsv"},
        {"max_size": None, "max_drop": "accuracy=1", "metric": "f1", "data": "d.tsv"},
        {"max_size": None, "max_drop": "cosine=0.01", "data": "d.tsv"},
        {"max_size": None, "max_drop": "cosine=0.01", "metric": "accuracy"},
    ],
)
def test_options_that_do_not_fit_each_other(options: dict[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        read_budget(**{"max_drop": None, **options})
    assert caught.value.hint


def test_without_options_there_is_no_budget() -> None:
    assert read_budget(None, None) is None


@pytest.mark.parametrize("name", ["mix-", "mix-12", "mix-MB", "mix-12MB+e4c", "mix-12MB_a4", "mix"])
def test_wrong_names_of_mixes(name: str) -> None:
    with pytest.raises(RecipeSyntaxError):
        Recipe.parse(name)


def test_a_mix_follows_its_grids_and_its_narrowest_one() -> None:
    recipe = Recipe.parse("mix-12MB_a8").with_mix(
        {"a": Grid.parse("6g16"), "b": Grid.parse("3g32"), "words": Grid.parse("4c")}
    )
    assert recipe.kind == "w3"
    assert recipe.wanted("a", "matrix") == Grid(6, "group", 16)
    assert recipe.wanted("words", "table") == Grid(4, "channel")
    assert recipe.wanted("conv", "kernel") == Grid(8, "channel")
    assert recipe.wanted("a.bias", "vector") == "fp32"
    assert str(recipe) == "mix-12MB_a8"


@pytest.mark.parametrize("text", ["", "g32", "4", "9g32", "4g31", "4gg", "1c"])
def test_wrong_grids(text: str) -> None:
    with pytest.raises(RecipeSyntaxError):
        Grid.parse(text)


class TestExport:
    """Refused before a model is looked for."""

    @pytest.mark.parametrize(
        "options",
        [
            {"recipes": ["fp32"], "max_size": "1MB"},
            {"recipes": ["fp16"], "max_drop": "cosine=0.01"},
            {"recipes": ["w4g32", "w8c_a8"], "max_size": "1MB"},
            {"recipes": ["mix-12MB_a8"]},
            {"recipes": ["mix-12MB_a8"], "max_size": "1MB"},
            {"max_size": "0"},
            {"metric": "accuracy"},
        ],
    )
    def test_usage(self, tmp_path: Path, options: dict[str, object]) -> None:
        with pytest.raises(UsageError) as caught:
            edgekit.export(tmp_path / "none", tmp_path / "out", **options)
        assert caught.value.hint
        assert not (tmp_path / "out").exists()

    def test_missing_data(self, tmp_path: Path) -> None:
        with pytest.raises(CasesError):
            edgekit.export(
                tmp_path / "none", tmp_path / "out", max_drop="accuracy=1",
                data=tmp_path / "none.tsv",
            )  # fmt: skip

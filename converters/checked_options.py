"""An export's options, checked before anything is read: recipes, targets, lengths, folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edgekit.budget import Budget
from edgekit.contract import Contract
from edgekit.errors import UsageError
from edgekit.recipe import Grid, Recipe
from edgekit.runtime.rows import require_text
from edgekit.support import TARGETS

DEFAULT_RECIPE = "fast"


def refuse_text_options(contract: Contract, options: Mapping[str, object]) -> None:
    """Options that mean nothing to a model that reads no text."""
    given = next((name for name, value in options.items() if value is not None), None)
    if given is not None:
        require_text(contract, given)


def refuse_options(source: Path, options: Mapping[str, object]) -> None:
    """A SavedModel or Keras file reads no text and has no torch module."""
    given = next((name for name, value in options.items() if value is not None), None)
    if given is not None:
        raise UsageError(
            f"{given} is for models that read text by torch; '{source.name}' takes arrays.",
            "leave it out.",
        )


def parse_recipes(recipes: Sequence[str], target: str) -> list[Recipe]:
    """The recipes of a target, each once.

    Raises:
      UsageError: none, an unknown one, or the name of a mix.
    """
    unique: dict[str, Recipe] = {}
    for text in recipes:
        recipe = Recipe.parse(text, target)
        if recipe.budget:
            raise UsageError(
                f"'{recipe}' is the name of what a search finds, and no recipe to ask for.",
                "give the budget: --max-size 12MB, or --max-drop cosine=0.01.",
            )
        unique.setdefault(str(recipe), recipe)
    if not unique:
        raise UsageError("no recipe was given.", f"the default is {DEFAULT_RECIPE}.")
    return list(unique.values())


def mix_recipe(budget: Budget, recipes: Sequence[str]) -> Recipe:
    """The mix that a budget names, with the activations and the method of a recipe."""
    if len(recipes) > 1:
        raise UsageError(
            "a budget gives one file per target; several recipes were given.",
            "one --recipe may say activations and method; or leave the budget out.",
        )
    [like] = parse_recipes(recipes or (DEFAULT_RECIPE,), TARGETS[0])
    if not isinstance(like.weights, Grid):
        raise UsageError(
            f"a budget chooses bits, and recipe '{like}' has none.",
            "leave --recipe out, or name one like w8c_a8 (int8 activations) or w4g32 (float).",
        )
    plain = replace(Recipe.parse(DEFAULT_RECIPE), budget=budget.name, method=like.method)
    return replace(plain, int8_activations=like.int8_activations)


def check_targets(targets: Sequence[str]) -> list[str]:
    """The targets, each once.

    Raises:
      UsageError: none, or an unknown one.
    """
    names = list(dict.fromkeys(targets))
    for name in names:
        if name not in TARGETS:
            raise UsageError(f"unknown target '{name}'.", f"known: {', '.join(TARGETS)}.")
    if not names:
        raise UsageError("no target was given.", f"known: {', '.join(TARGETS)}.")
    return names


def check_buckets(buckets: Sequence[int] | None, max_length: int | None) -> tuple[int, ...]:
    """The buckets' lengths, ascending.

    Raises:
      UsageError: one is too short, or longer than the maximum length.
    """
    lengths = tuple(sorted(set(buckets or ())))
    if lengths and lengths[0] < 3:
        raise UsageError(f"a bucket of {lengths[0]} tokens is too short.", "use 3 or more.")
    if lengths and max_length is not None and lengths[-1] > max_length:
        raise UsageError(
            f"bucket {lengths[-1]} exceeds --max-length {max_length}.", "give one of the two."
        )
    return lengths


def refuse_inside(out: Path, model: Path) -> None:
    """The output may not be, hold or lie in the checkpoint's own folder."""
    there, source = out.resolve(), model.resolve()
    if there == source or there in source.parents or source in there.parents:
        raise UsageError(
            f"output folder '{out}' and the model's folder lie in each other.",
            "choose another folder with -o.",
        )

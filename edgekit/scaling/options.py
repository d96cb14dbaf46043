"""From the options of ``edgekit scaling`` to the precisions that are to be measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgekit.budget import read_budget
from edgekit.errors import UnsupportedError, UsageError
from edgekit.recipe import Recipe
from edgekit.support import METHODS, TARGETS, check_supported
from edgekit.sweep.options import Combination, Refused, SweepOptions

#: simulated data types; "int" is the plain grid, for a fair comparison with the other two
SIMULATED = ("int", "float", "quantile")
#: unquantized points, measured where the target makes them
BASES = ("fp32", "fp16")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One precision: of a file, or simulated.

    Attributes:
      recipe: of the file; of a simulated data type, of the file with as many bits and groups.
      form: as ``ScalingPoint`` has it.
      bits: k.
      simulated: in torch alone.
    """

    recipe: str
    form: str
    bits: int
    simulated: bool = False

    @property
    def name(self) -> str:
        """What a point calls it: the recipe, or "float4g32"."""
        if not self.simulated:
            return self.recipe
        head, _, rest = self.recipe.partition("@")[0].partition(str(self.bits))
        return f"{self.form}{self.bits}{rest}" if head == "w" else f"{self.form}{self.bits}"


@dataclass(frozen=True, slots=True)
class ScalingOptions:
    """What is measured of every model.

    Attributes:
      bits: numbers and ranges of 2..8, as for a sweep.
      group: "c", or inputs per scale.
      target: "onnx" or "tflite"; files of two runtimes are not one family.
      embeddings: as recipes write them behind ``+e``; "" for the default.
      method: of quantization; "" for the best of each grid.
      simulate: of ``SIMULATED``, commas and repeats alike.
      budgets: sizes ("1MB").
      tokens: training tokens of each model, in the order of the models; empty when not known.
    """

    bits: Sequence[str] = ("2-8",)
    group: str = "32"
    target: str = "onnx"
    embeddings: str = ""
    method: str = ""
    simulate: Sequence[str] = ()
    budgets: Sequence[str] = ()
    tokens: Sequence[float] = ()

    def wanted(self) -> tuple[list[Wanted], list[Refused]]:
        """All precisions, and those that the target does not make.

        Raises:
          UsageError: an option holds something else; its name is in the message.
          UnsupportedError: no quantized file is made.
        """
        if self.target not in TARGETS:
            raise UsageError(
                f"--target takes one of {', '.join(TARGETS)}, not '{self.target}'.",
                "files of two runtimes are measured in two runs.",
            )
        found: list[Wanted] = []
        for name in BASES:
            try:
                check_supported(Recipe.parse(name), self.target)
            except UnsupportedError:
                continue
            found.append(Wanted(name, "unquantized", int(name[2:])))
        made, refused = self._grids().combinations()
        for each in made:
            found.append(Wanted(each.recipe, "int", _bits_of(each.recipe)))
        if not made:
            raise UnsupportedError(f"no precision is made: {refused[0].reason}", refused[0].hint)
        simulated = self._simulated()
        widths: list[Combination | Refused] = [*made, *refused] if simulated else []
        for form in simulated:
            for grid in widths:
                found.append(Wanted(grid.recipe, form, _bits_of(grid.recipe), simulated=True))
        return found, refused

    def budget_bytes(self) -> list[int]:
        """The budgets in bytes, ascending.

        Raises:
          UsageError: one is no size.
        """
        sizes = []
        for text in (part.strip() for given in self.budgets for part in given.split(",")):
            budget = read_budget(text, None)
            if budget is not None and budget.max_size is not None:
                sizes.append(budget.max_size)
        return sorted(set(sizes))

    def _grids(self) -> SweepOptions:
        if "," in self.group or "," in self.embeddings:
            raise UsageError(
                "--group and --embeddings take one value: a curve has one kind of grid.",
                "compare several with `edgekit sweep`.",
            )
        if self.method and self.method not in METHODS:
            raise UsageError(
                f"--method does not know '{self.method}'.", f"known: {', '.join(METHODS)}."
            )
        return SweepOptions(
            self.bits,
            (self.group,),
            (self.embeddings,) if self.embeddings else (),
            (self.method,) if self.method else (),
            ("float",),
            (self.target,),
        )

    def _simulated(self) -> list[str]:
        items = [part.strip() for text in self.simulate for part in text.split(",")]
        for item in items:
            if item not in SIMULATED:
                raise UsageError(
                    f"--simulate does not know '{item}'.", f"known: {', '.join(SIMULATED)}."
                )
        return list(dict.fromkeys(items))


def _bits_of(recipe: str) -> int:
    weights = Recipe.parse(recipe).weights
    return weights.bits if not isinstance(weights, str) else int(weights[2:])

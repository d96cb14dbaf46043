"""From the options of ``edgekit sweep`` to the files that are to be measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from edgekit.errors import RecipeSyntaxError, UnsupportedError, UsageError
from edgekit.recipe import MAX_BITS, MIN_BITS, Recipe
from edgekit.support import METHODS, TARGETS, check_supported
from edgekit.sweep.study import KINDS, studies_of

DEFAULT_BITS = ("3-8",)
DEFAULT_GROUPS = ("32", "c")
DEFAULT_TARGETS = ("onnx",)
#: the best method of each grid, as a recipe without ``@`` means it
DEFAULT_METHOD = "default"
#: as recipes have them behind the bits; g<n> is written n here
_GROUPS = ("c", "16", "32", "64", "128", "256")
ACTIVATIONS = {"float": "", "int8": "_a8"}


@dataclass(frozen=True, slots=True)
class Combination:
    """One file to measure.

    Attributes:
      target: "onnx" or "tflite".
      recipe: canonical, or a study's name.
      model: whose: a checkpoint's name, or "" where the sweep has one alone.
    """

    target: str
    recipe: str
    model: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """A combination that the target's writer does not make, why, and what instead."""

    target: str
    recipe: str
    reason: str
    hint: str
    model: str = ""


@dataclass(frozen=True, slots=True)
class SweepOptions:
    """What is combined with what; texts as on the command line, commas and repeats alike.

    Attributes:
      bits: numbers and ranges of 2..8 ("3", "2-8").
      groups: "c" (one scale per output channel) or inputs per scale ("16" ... "256").
      embeddings: as recipes write them behind ``+e`` ("8c", "4g32", "16"); empty: the default.
      methods: names, or "default"; empty: the best of each grid.
      activations: "float", "int8".
      targets: "onnx", "tflite".
      studies: "codebook", "codebook-all": measured beside the recipes at the same bits and tables;
        see ``edgekit.sweep.study``.
    """

    bits: Sequence[str] = DEFAULT_BITS
    groups: Sequence[str] = DEFAULT_GROUPS
    embeddings: Sequence[str] = ()
    methods: Sequence[str] = ()
    activations: Sequence[str] = ("float",)
    targets: Sequence[str] = DEFAULT_TARGETS
    studies: Sequence[str] = ()

    def target_names(self) -> list[str]:
        """The targets, each once.

        Raises:
          UsageError: one is not known.
        """
        return _known(self.targets, "--target", TARGETS)

    def combinations(self) -> tuple[list[Combination], list[Refused]]:
        """All combinations, targets one after another: those that are made, and the others.

        Raises:
          UsageError: an option holds something else; its name is in the message.
        """
        made: dict[Combination, None] = {}
        refused: dict[Combination, Refused] = {}
        choices = product(
            self.target_names(),
            _known(self.methods or (DEFAULT_METHOD,), "--method", (DEFAULT_METHOD, *METHODS)),
            _known(self.activations, "--activations", tuple(ACTIVATIONS)),
            _embeddings(self.embeddings),
            _groups(self.groups),
            _bits(self.bits),
        )
        for target, method, activations, tables, group, bits in choices:
            at = "" if method == DEFAULT_METHOD else f"@{method}"
            recipe = Recipe.parse(f"w{bits}{group}{ACTIVATIONS[activations]}{tables}{at}")
            wanted = Combination(target, str(recipe))
            try:
                check_supported(recipe, target)
            except UnsupportedError as error:
                refused[wanted] = Refused(target, str(recipe), error.message, error.hint)
            else:
                made[wanted] = None
        for study, recipe, target in self._studies():
            wanted = Combination(target, study)
            try:
                check_supported(recipe, target)
            except UnsupportedError as error:
                refused[wanted] = Refused(target, study, error.message, error.hint)
            else:
                made[wanted] = None
        return list(made), list(refused.values())

    def _studies(self) -> Iterator[tuple[str, Recipe, str]]:
        """Each study's name, a recipe that is made where its tables are, and the target."""
        kinds = _known(self.studies, "--study", tuple(KINDS)) if self.studies else []
        choices = product(
            self.target_names(), kinds, _embeddings(self.embeddings), _bits(self.bits)
        )
        for target, kind, tables, bits in choices:
            for study in studies_of(kind, bits, tables):
                linear = "" if study.all_tables else study.tables
                yield str(study), Recipe.parse(f"w8c_a8{linear}"), target


def _items(texts: Sequence[str], option: str) -> list[str]:
    """The parts between commas, each once."""
    items = [part.strip() for text in texts for part in text.split(",")]
    if not items or not all(items):
        raise UsageError(
            f"{option} holds an empty value.", f"for example {option} {_EXAMPLES[option]}"
        )
    return list(dict.fromkeys(items))


def _known(texts: Sequence[str], option: str, known: Sequence[str]) -> list[str]:
    items = _items(texts, option)
    for item in items:
        if item not in known:
            raise UsageError(f"{option} does not know '{item}'.", f"known: {', '.join(known)}.")
    return items


def _bits(texts: Sequence[str]) -> list[int]:
    found: list[int] = []
    for item in _items(texts, "--bits"):
        low, dash, high = item.partition("-")
        ends = [low, high if dash else low]
        if not all(end.isascii() and end.isdigit() for end in ends):
            raise _wrong("--bits", item, "numbers and ranges")
        first, last = map(int, ends)
        if not MIN_BITS <= first <= last <= MAX_BITS:
            raise _wrong("--bits", item, f"bits from {MIN_BITS} to {MAX_BITS}")
        found += range(first, last + 1)
    return list(dict.fromkeys(found))


def _groups(texts: Sequence[str]) -> list[str]:
    items = _items(texts, "--group")
    grains = []
    for item in items:
        grain = item if item == "c" else f"g{item}"
        if item not in _GROUPS:
            raise _wrong("--group", item, ", ".join(_GROUPS))
        grains.append(grain)
    return grains


def _embeddings(texts: Sequence[str]) -> list[str]:
    if not texts:
        return [""]
    for item in _items(texts, "--embeddings"):
        try:
            named = Recipe.parse(f"w4c+e{item}").method is not None
        except RecipeSyntaxError:
            named = True
        if named:
            raise _wrong("--embeddings", item, "what recipes write behind +e")
    return [f"+e{item}" for item in _items(texts, "--embeddings")]


def _wrong(option: str, item: str, expected: str) -> UsageError:
    return UsageError(
        f"{option} takes {expected}, not '{item}'.", f"for example {option} {_EXAMPLES[option]}"
    )


_EXAMPLES = {
    "--bits": "2-8 or --bits 3,4,6",
    "--group": "c,16,32",
    "--embeddings": "8c,4g32",
    "--method": "two-sided,gptq,rtn",
    "--activations": "int8,float",
    "--target": "onnx,tflite",
    "--study": "codebook",
}

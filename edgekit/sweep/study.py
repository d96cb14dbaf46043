"""Studies: what a sweep measures beside the recipes though no runtime's kernels read it.

A codebook study is named as recipes are: ``cb4g32`` has the matrices' values among 2**4 centroids
(see ``edgekit.converters.quantize.codebook`` for ``t``, ``c`` and ``g32``) and embedding tables as
recipes have them by default; ``cb4g32+e4g32`` other tables, ``cb4g32+ecb`` those in codebooks too.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.errors import RecipeSyntaxError
from edgekit.recipe import Grid, Recipe

#: what ``--study`` takes -> whether tables are clustered as the matrices are
KINDS = {"codebook": False, "codebook-all": True}
#: what has a codebook or a scale, in the order of the table
FORMS = ("t", "c", "g32")
_PREFIX, _TABLES = "cb", "+ecb"


@dataclass(frozen=True, slots=True)
class CodebookStudy:
    """One study.

    Attributes:
      grid: bits, and the form.
      tables: as recipes write them behind the bits ("+e4g32"); "" for their default; "+ecb" for
        codebooks as the matrices have.
    """

    grid: Grid
    tables: str = ""

    @staticmethod
    def parse(text: str) -> CodebookStudy:
        """Read a study's name.

        Raises:
          RecipeSyntaxError: it is none.
        """
        head, plus, rest = text.partition("+")
        if not is_study(text):
            raise RecipeSyntaxError(f"'{text}' is no codebook study.", "for example cb4g32.")
        study = CodebookStudy(Grid.parse(head.removeprefix(_PREFIX)), f"{plus}{rest}")
        study.recipe()
        return study

    @property
    def all_tables(self) -> bool:
        """Tables are in codebooks too."""
        return self.tables == _TABLES

    def recipe(self) -> Recipe:
        """The linear recipe of as many bits, whose tables a study has where they are linear."""
        return Recipe.parse(f"w{self.grid.bits}c{'' if self.all_tables else self.tables}")

    def __str__(self) -> str:
        return f"{_PREFIX}{self.grid}{self.tables}"


def is_study(name: str) -> bool:
    """Whether a point's name is a study's, not a recipe's."""
    return name.startswith(_PREFIX)


def studies_of(kind: str, bits: int, tables: str) -> list[CodebookStudy]:
    """The studies of one kind and width.

    Args:
      kind: of ``KINDS``.
      bits: 2..8.
      tables: as recipes write them ("+e4g32"), or "".
    """
    tables = _TABLES if KINDS[kind] else _canonical(tables)
    return [CodebookStudy(Grid.parse(f"{bits}{form}"), tables) for form in FORMS]


def _canonical(tables: str) -> str:
    """The same tables have the same name."""
    _, plus, rest = str(Recipe.parse(f"w4c{tables}")).partition("+")
    return f"{plus}{rest}"

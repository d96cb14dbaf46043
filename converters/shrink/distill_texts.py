"""The texts of a distillation: those to train on, and others to measure on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.converters.held_out import evaluation_texts
from edgekit.converters.quantize.texts import plain, shared_texts

from edgekit.errors import CasesError
from edgekit.tasks import Example
from edgekit.tasks.cases import read_cases


@dataclass(frozen=True, slots=True)
class HeldOutTexts:
    """Texts that a student does not train on.

    Attributes:
      name: "built-in", or the user's file.
      examples: in order; the curve is measured on those at even places, the result on the others.
      left_out: how many were in the training data.
    """

    name: str
    examples: tuple[Example, ...]
    left_out: int


def lessons_of(path: Path) -> list[Example]:
    """The texts of a file, without their labels.

    Raises:
      CasesError: it cannot be read, or holds no text.
    """
    found = [Example(each.text, each.text_pair) for each in read_cases(path) if each.text]
    if not found:
        raise CasesError(f"data file '{path}' holds no text.", "give rows with a `text`.")
    return found


def judged_on(lessons: Sequence[Example], path: Path | None) -> HeldOutTexts:
    """Texts to measure on, none of them among those to train on.

    Args:
      lessons: to train on.
      path: of the user's own; None for the built-in evaluation text.
    Raises:
      CasesError: fewer than two are left.
    """
    if path is None:
        given, paired = evaluation_texts(), any(each.text_pair for each in lessons)
        found = [Example(text, given[i - 1] if paired else None) for i, text in enumerate(given)]
    else:
        found = lessons_of(path)
    # a row that is trained on, however short; and one that shares a whole sentence with another
    rows = {_row(each) for each in lessons}
    known = set(shared_texts(texts_of(lessons), texts_of(found)))
    kept = [
        each
        for each in found
        if _row(each) not in rows and known.isdisjoint((each.text, each.text_pair))
    ]
    if len(kept) < 2:
        raise CasesError(
            f"of {len(found)} held-out texts {len(kept)} are not in the data, and 2 are needed.",
            "give texts with --held-out that the student does not train on.",
        )
    name = "built-in" if path is None else path.name
    return HeldOutTexts(name, tuple(kept), len(found) - len(kept))


def _row(example: Example) -> tuple[str, str]:
    return plain(example.text), plain(example.text_pair or "")


def texts_of(examples: Sequence[Example]) -> list[str]:
    """All texts of some examples, second ones too."""
    return [text for each in examples for text in (each.text, each.text_pair) if text]


def refuse_without_context(lessons: Sequence[Example], task: str, path: Path) -> None:
    """Questions are answered in a context.

    Raises:
      CasesError: a row has none.
    """
    if task != "question-answering":
        return
    for number, each in enumerate(lessons, 1):
        if not each.text_pair:
            raise CasesError(
                f"row {number} of '{path}' has no context for its question.",
                "give rows with `question` and `context`.",
            )

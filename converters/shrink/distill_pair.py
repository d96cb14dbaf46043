"""A student can learn from a teacher that reads the same ids and gives outputs of the same kind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from edgekit.converters.sources.checkpoint import Checkpoint
from edgekit.converters.sources.definition import definition_of

from edgekit.contract import Contract
from edgekit.errors import CheckpointError, UnsupportedError
from edgekit.runtime.rows import Row
from edgekit.runtime.tokenizer import TextTokenizer
from edgekit.tasks import Example, get_task

_HINT = "a student is made of its teacher: by prune, or by dropping layers."


def check_pair(student: Checkpoint, teacher: Checkpoint) -> None:
    """Refuse a pair that cannot be compared; the first difference is named.

    Raises:
      CheckpointError: another tokenizer, other labels, or outputs of another width.
      UnsupportedError: a task that is not distilled.
    """
    mine, its = student.contract, teacher.contract
    if mine.generation is not None and mine.generation.start_id is not None:
        raise UnsupportedError(
            f"'{student.name}' has an encoder and a decoder, and those are not distilled.",
            "encoders and causal language models are.",
        )
    for what in ("task", "problem_type", "padding_side", "input_names", "output_names"):
        _refuse_other(what.replace("_", " "), getattr(mine, what), getattr(its, what), "")
    _refuse_labels(mine, its)
    widths = [tuple(n for n in spec.shape if isinstance(n, int)) for spec in mine.outputs]
    expected = [tuple(n for n in spec.shape if isinstance(n, int)) for spec in its.outputs]
    _refuse_other("output width", widths, expected, "")
    _refuse_vocabulary(student, teacher)


def refuse_same(student: Checkpoint, teacher: Checkpoint) -> None:
    """A model learns nothing from itself.

    Raises:
      CheckpointError: the two have the same weights and the same configuration.
    """
    same_weights = student.source.get("sha256") == teacher.source.get("sha256")
    if same_weights and definition_of(student) == definition_of(teacher):
        raise CheckpointError(
            f"'{student.name}' and '{teacher.name}' are the same model: nothing is to be learnt.",
            "give the changed checkpoint as STUDENT.",
        )


def rows_of(student: Checkpoint, teacher: Checkpoint, examples: Sequence[Example]) -> list[Row]:
    """The inputs of some texts, alike for both models.

    Raises:
      CheckpointError: the two tokenizers give other ids for one of the texts.
    """
    mine, its = (_prepared(each, student.contract, examples) for each in (student, teacher))
    for number, (a, b) in enumerate(zip(mine, its, strict=True), 1):
        for name, ids in a.items():
            if not np.array_equal(ids, b[name]):
                raise CheckpointError(
                    f"'{student.name}' and '{teacher.name}' do not read text {number} alike: "
                    f"{_first_difference(name, ids.tolist(), b[name].tolist())}.",
                    "both folders need the same tokenizer.json.",
                )
    return mine


def _prepared(checkpoint: Checkpoint, contract: Contract, examples: Sequence[Example]) -> list[Row]:
    tokenizer = TextTokenizer.from_json(checkpoint.tokenizer_json, contract)
    return get_task(contract.task).prepare(examples, contract, tokenizer)


def _first_difference(name: str, mine: list[int], its: list[int]) -> str:
    for place, (a, b) in enumerate(zip(mine, its, strict=False)):
        if a != b:
            return f"{name} {place} is {a} for the student and {b} for the teacher"
    return f"{len(mine)} tokens for the student and {len(its)} for the teacher"


def _refuse_other(what: str, mine: Any, its: Any, hint: str) -> None:
    if mine != its:
        raise CheckpointError(
            f"the student's {what} is {mine or 'none'}, the teacher's {its or 'none'}.",
            hint or _HINT,
        )


def _refuse_labels(mine: Contract, its: Contract) -> None:
    if len(mine.labels) != len(its.labels):
        raise CheckpointError(
            f"the student has {len(mine.labels)} labels, the teacher {len(its.labels)}.", _HINT
        )
    for place, (a, b) in enumerate(zip(mine.labels, its.labels, strict=True)):
        _refuse_other(f"label {place}", f"'{a}'", f"'{b}'", "")


def _refuse_vocabulary(student: Checkpoint, teacher: Checkpoint) -> None:
    mine, its = (_tokens(each) for each in (student, teacher))
    for i in range(max(len(mine), len(its))):
        a, b = (tokens[i] if i < len(tokens) else None for tokens in (mine, its))
        if a != b:
            raise CheckpointError(
                f"'{student.name}' and '{teacher.name}' have different tokenizers: id {i} is "
                f"{_quoted(a)} for the student and {_quoted(b)} for the teacher.",
                "the teacher's answers are about its own ids; give a student with the same ones.",
            )


def _quoted(token: str | None) -> str:
    return "nothing" if token is None else json.dumps(token, ensure_ascii=False)


def _tokens(checkpoint: Checkpoint) -> list[str | None]:
    """Tokens by id; None where an id has none."""
    from tokenizers import Tokenizer

    vocabulary = Tokenizer.from_str(checkpoint.tokenizer_json).get_vocab()
    found: list[str | None] = [None] * (max(vocabulary.values(), default=-1) + 1)
    for token, number in vocabulary.items():
        found[number] = token
    return found

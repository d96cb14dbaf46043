"""The inputs that a search tries: lengths, forms, special tokens, repetitions, the vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.contract import Contract
from edgekit.parity.golden import Golden
from edgekit.parity.search.forms import FORMS
from edgekit.parity.search.frame import Frame, Tokens, frame_of, stream_of
from edgekit.runtime.tokenizer import Ids, TextTokenizer
from edgekit.tasks import Example, get_task

SEED = 20_261_126


@dataclass(frozen=True, slots=True)
class Probe:
    """One input to try.

    Attributes:
      kind: "form", "length", "special" or "repeated"; "token" for rows of vocabulary.
      note: in short, what it is.
      row: unpadded inputs.
      example: the text that it was tokenized from, or None where ids were put together.
    """

    kind: str
    note: str
    row: Ids
    example: Example | None = None

    @property
    def length(self) -> int:
        """Tokens, special ones included."""
        return len(self.row["input_ids"])


@dataclass(frozen=True, slots=True)
class Space:
    """Where inputs are made from: a folder's contract, tokenizer and golden texts."""

    contract: Contract
    tokenizer: TextTokenizer
    frame: Frame
    stream: Tokens
    vocabulary: int

    @property
    def lengths(self) -> list[int]:
        """Every length from the least with a token of text to the longest."""
        return list(range(self.frame.around + 1, self.frame.longest + 1))

    @property
    def edges(self) -> list[int]:
        """Lengths at which something changes, with their neighbours: ends and buckets."""
        ends = {self.frame.around + 1, self.frame.longest, *self.contract.buckets}
        near = {n + step for n in ends for step in (-1, 0, 1)}
        return sorted(near & set(self.lengths))

    def text_row(self, length: int, start: int) -> Ids:
        """Real text of that many tokens in all, from some place of the golden texts on."""
        size = length - self.frame.around
        return self.frame.row(self.stream[start : start + size])


def make_space(golden: Golden, contract: Contract, tokenizer: TextTokenizer, rows: int) -> Space:
    """What inputs are made from.

    Args:
      golden: the folder's texts.
      contract, tokenizer: the folder's.
      rows: of the file's word table: ids beyond are none of the model's.
    """
    frame = frame_of(golden.rows, contract)
    stream = stream_of(golden.rows, contract, 8 * frame.longest)
    size = tokenizer.vocabulary_size
    return Space(contract, tokenizer, frame, stream, min(size, rows) if rows else size)


def forms(space: Space) -> list[Probe]:
    """Texts of unusual form, one by one; as the second text where the task takes pairs of them."""
    task = get_task(space.contract.task)
    question = space.contract.task == "question-answering"
    examples = [
        Example("What is said here?", text) if question else Example(text)
        for text in FORMS.values()
    ]
    rows = task.prepare(examples, space.contract, space.tokenizer)
    longest = space.frame.longest
    return [
        Probe("form", name, row, example)
        for name, row, example in zip(FORMS, rows, examples, strict=True)
        if len(row["input_ids"]) <= longest
    ]


def lengths(space: Space, texts: int, step: int = 1) -> list[Probe]:
    """Real text of every length, from ``texts`` places each; every ``step`` and all edges."""
    chosen = sorted({*space.lengths[::step], *space.edges})
    starts = [k * len(space.stream) // (texts + 1) // 2 for k in range(texts)]
    return [
        Probe("length", f"{n} tokens of text", space.text_row(n, start))
        for start in starts
        for n in chosen
    ]


def specials(space: Space) -> list[Probe]:
    """Special tokens inside real text: at its start, in its middle and at its end, and alone."""
    probes = []
    size = min(12, space.frame.room)
    body = space.stream[:size]
    for token in space.contract.special_ids:
        if token == space.contract.pad_id:
            continue  # padding inside a text is no text
        name = space.tokenizer.token(token)
        for place in sorted({0, size // 2, size}):
            row = space.frame.row(np.insert(body, place, token)[: space.frame.room])
            probes.append(Probe("special", f"{name} inside a text", row))
        probes.append(Probe("special", f"{name} alone", space.frame.row([token])))
    return probes


def repetitions(space: Space) -> list[Probe]:
    """One token over and over: a frequent one, some of the vocabulary; short, medium, full."""
    rng = np.random.default_rng(SEED)
    usual = int(np.bincount(space.stream).argmax())
    tokens = [usual, *rng.choice(space.vocabulary, 4).tolist()]
    sizes = sorted({2, min(20, space.frame.room), space.frame.room})
    return [
        Probe(
            "repeated",
            f"token {token} {space.tokenizer.token(token)!r} {size} times",
            space.frame.row([token] * size),
        )
        for token in tokens
        for size in sizes
        if size <= space.frame.room
    ]


def packs(space: Space, per_row: int) -> list[Tokens]:
    """Every id of the vocabulary once, in a seeded order, ``per_row`` to a row."""
    special = set(space.contract.special_ids)
    ids = np.array([i for i in range(space.vocabulary) if i not in special], np.int64)
    np.random.default_rng(SEED).shuffle(ids)
    return np.split(ids, range(per_row, len(ids), per_row)) if len(ids) else []


def token_rows(space: Space, packed: Sequence[Tokens]) -> list[Ids]:
    """The inputs of packed tokens."""
    return [space.frame.row(tokens) for tokens in packed]

"""Text for token ids: what gives the same ids again, or the nearest that there is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from edgekit.contract import Contract
from edgekit.parity.search.frame import Frame
from edgekit.runtime.tokenizer import Ids, TextTokenizer
from edgekit.tasks import Example, get_task

#: what may stand before a piece that only continues words
_BEFORE = ("a", "x", "the", "super", "0", "o", "s")


def example_for(
    row: Ids,
    frame: Frame,
    contract: Contract,
    tokenizer: TextTokenizer,
    given: Example | None = None,
    keep: Sequence[int] = (),
) -> tuple[Example, bool]:
    """A text whose tokens are those of an input.

    Args:
      row: the input.
      frame: what it was made with; its head holds the first text of a pair.
      contract, tokenizer: the folder's.
      given: the text that it was made from, where there is one.
      keep: tokens that the text should hold at least.
    Returns:
      the text, and whether it gives exactly these ids.
    """
    if given is not None:
        return given, True
    ids = [int(i) for i in row["input_ids"]]
    head = _plain(frame.head["input_ids"].tolist(), contract, tokenizer)
    best, best_score = Example("", None), (-1.0, -1.0)
    for text in _candidates(row, frame, contract, tokenizer):
        example = Example(head, text) if head else Example(text)
        [found] = get_task(contract.task).prepare([example], contract, tokenizer)
        again = [int(i) for i in found["input_ids"]]
        if again == ids:
            return example, True
        kept = sum(token in again for token in keep) / max(1, len(keep))
        score = (kept, SequenceMatcher(None, ids, again, autojunk=False).ratio())
        if score > best_score:
            best, best_score = example, score
    return best, False


def _plain(ids: list[int], contract: Contract, tokenizer: TextTokenizer) -> str:
    """The text of ids that are no separators."""
    return tokenizer.decode([i for i in ids if i not in contract.special_ids]).strip()


def _candidates(
    row: Ids, frame: Frame, contract: Contract, tokenizer: TextTokenizer
) -> Iterator[str]:
    """Texts that may give an input's tokens, the likeliest first."""
    if not frame.holds(row):
        yield _plain(row["input_ids"].tolist(), contract, tokenizer)
        return
    tokens = [int(t) for t in frame.tokens(row)]
    yield tokenizer.decode(tokens).strip()
    yield _plain(tokens, contract, tokenizer)
    names = [tokenizer.token(t) for t in tokens]
    yield "".join(names)
    joined = "".join(f" {n}" if not n.startswith("##") else n[2:] for n in names).strip()
    yield joined
    # a piece of a word cannot begin one: a word is put before it
    bare = joined.removeprefix("##").replace("\u0120", " ").replace("\u2581", " ")
    yield bare
    for before in _BEFORE:
        yield before + bare
    if bare:
        yield bare[0] * 2 + bare

"""The vocabularies of the tokenizers library, and what each needs to read kept text as before.

Why text whose tokens are all kept gives the same tokens again:

- *WordPiece* takes the longest piece that fits. A piece that was the longest still is one. A word
  that ends nowhere is unknown: the pieces that it got stuck behind are kept as well, or a shorter
  one might lead on. An unknown word of other text may so become known.
- *Unigram* takes the best path. Fewer paths compete with it, scores stay, and a piece of the lowest
  score is kept, from which the score of unknown characters is counted.
- *BPE* applies the merge of the lowest rank first. No merge crosses the border of a token that
  comes out, so each was built as BPE builds it from its own characters alone. With the merges on
  these ways kept, in their order, every step that was the first to apply still is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from itertools import pairwise
from typing import Any, Protocol

from edgekit.errors import UnsupportedError

#: from an old id to its new one; ids without one are gone
Numbers = Mapping[int, int]

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")


class Vocabulary(Protocol):
    """The ``model`` of a tokenizer.json.

    Attributes:
      ids: id by token, without added tokens that only stand beside it.
      unknown: id of the unknown token, or None.
    """

    ids: Mapping[str, int]
    unknown: int | None

    def always(self) -> set[int]:
        """Ids without which text of other words would turn to unknown tokens."""

    def with_ways(self, ids: Collection[int]) -> set[int]:
        """The ids, and those of every token on the way to one of them."""

    def tried(self, word: str) -> set[int]:
        """Ids of the tokens that an unknown word got stuck behind."""

    def bare(self, token: str) -> str:
        """A token without the marks of where it stands in a word."""

    def cut(self, numbers: Numbers) -> dict[str, Any]:
        """The ``model`` with kept tokens alone, under their new ids."""


class WordLevel:
    """A word is a token, or unknown."""

    def __init__(self, model: Mapping[str, Any]) -> None:
        self._model = model
        self.ids: Mapping[str, int] = model["vocab"]
        self.unknown = self.ids.get(model.get("unk_token") or "")

    def always(self) -> set[int]:
        """See ``Vocabulary``."""
        single = {number for token, number in self.ids.items() if len(self.bare(token)) == 1}
        return single | _known(self.unknown)

    def with_ways(self, ids: Collection[int]) -> set[int]:
        """See ``Vocabulary``: there is nothing between a text and its token."""
        return set(ids)

    def tried(self, word: str) -> set[int]:
        """See ``Vocabulary``: a word is looked up whole."""
        return set()

    def bare(self, token: str) -> str:
        """See ``Vocabulary``."""
        return token

    def cut(self, numbers: Numbers) -> dict[str, Any]:
        """See ``Vocabulary``."""
        kept = {token: numbers[old] for token, old in self.ids.items() if old in numbers}
        return {**self._model, "vocab": kept}


class WordPiece(WordLevel):
    """The longest piece that fits, from the left (Wu et al., 2016)."""

    def tried(self, word: str) -> set[int]:
        """See ``Vocabulary``: the longest pieces, up to where none fits."""
        prefix = self._model.get("continuing_subword_prefix") or ""
        found: set[int] = set()
        if len(word) > self._model.get("max_input_chars_per_word", math.inf):
            return found
        begin = 0
        while begin < len(word):
            mark, ends = prefix if begin else "", range(len(word), begin, -1)
            end = next((end for end in ends if mark + word[begin:end] in self.ids), None)
            if end is None:
                return found
            found.add(self.ids[mark + word[begin:end]])
            begin = end
        return found

    def bare(self, token: str) -> str:
        """See ``Vocabulary``."""
        prefix = self._model.get("continuing_subword_prefix") or ""
        return token.removeprefix(prefix) or token


class Bpe(WordLevel):
    """Merges in the order of their ranks (Sennrich et al., 2016), of characters or bytes."""

    def __init__(self, model: Mapping[str, Any]) -> None:
        super().__init__(model)
        if model.get("dropout"):
            raise UnsupportedError(
                "its tokenizer drops merges at random (BPE dropout), which nothing can be held to.",
                "set dropout to null in tokenizer.json.",
            )
        self._prefix = model.get("continuing_subword_prefix") or ""
        self._suffix = model.get("end_of_word_suffix") or ""
        self._merges = [_pair(merge) for merge in model["merges"]]
        self._ranks = {pair: rank for rank, pair in enumerate(self._merges)}

    def always(self) -> set[int]:
        """See ``Vocabulary``: byte-level alphabets are single characters too."""
        return super().always() | _bytes(self._model, self.ids)

    def with_ways(self, ids: Collection[int]) -> set[int]:
        """See ``Vocabulary``."""
        tokens = (token for token, number in self.ids.items() if number in ids)
        return {*ids, *(self.ids[part] for token in tokens for part in self._way(token))}

    def bare(self, token: str) -> str:
        """See ``Vocabulary``."""
        return token.removeprefix(self._prefix).removesuffix(self._suffix) or token

    def cut(self, numbers: Numbers) -> dict[str, Any]:
        """See ``Vocabulary``."""
        cut = super().cut(numbers)
        kept = cut["vocab"]
        merges = [
            written
            for written, (left, right) in zip(self._model["merges"], self._merges, strict=True)
            if left in kept and right in kept and self._joined(left, right) in kept
        ]
        return {**cut, "merges": merges}

    def _way(self, token: str) -> list[str]:
        """What BPE makes of a token's characters one after the other, up to the token itself.

        Nothing where it does not get there: such a token comes whole (``ignore_merges``), or never.
        """
        parts, made = self._characters(token), []
        while len(parts) > 1:
            last = len(self._ranks)
            rank, at = min(
                (self._ranks.get(pair, last), i) for i, pair in enumerate(pairwise(parts))
            )
            if rank == last:
                return []
            parts[at : at + 2] = [self._joined(*parts[at : at + 2])]
            made.append(parts[at])
        return made

    def _characters(self, token: str) -> list[str]:
        inner = bool(self._prefix) and token.startswith(self._prefix)
        characters = list(self.bare(token))
        parts = [c if i == 0 and not inner else self._prefix + c for i, c in enumerate(characters)]
        if self._suffix and token.endswith(self._suffix):
            parts[-1] += self._suffix
        return parts

    def _joined(self, left: str, right: str) -> str:
        return left + right.removeprefix(self._prefix)


class Unigram:
    """The path of the best score (Kudo, 2018)."""

    def __init__(self, model: Mapping[str, Any]) -> None:
        self._model = model
        self.ids: Mapping[str, int] = {piece: i for i, (piece, _) in enumerate(model["vocab"])}
        self.unknown: int | None = model.get("unk_id")

    def always(self) -> set[int]:
        """See ``Vocabulary``."""
        scores = [score for _, score in self._model["vocab"]]
        single = {number for piece, number in self.ids.items() if len(piece) == 1}
        # an unknown character scores so much less than the lowest of all pieces
        lowest = {scores.index(min(scores))} if scores else set()
        return single | lowest | _known(self.unknown) | _bytes(self._model, self.ids)

    def with_ways(self, ids: Collection[int]) -> set[int]:
        """See ``Vocabulary``: a path is taken whole."""
        return set(ids)

    def tried(self, word: str) -> set[int]:
        """See ``Vocabulary``: what is unknown is a character, whatever is around it."""
        return set()

    def bare(self, token: str) -> str:
        """See ``Vocabulary``."""
        return token

    def cut(self, numbers: Numbers) -> dict[str, Any]:
        """See ``Vocabulary``."""
        kept = [entry for i, entry in enumerate(self._model["vocab"]) if i in numbers]
        unknown = None if self.unknown is None else numbers[self.unknown]
        return {**self._model, "vocab": kept, "unk_id": unknown}


_KINDS: dict[str, Callable[[Mapping[str, Any]], Vocabulary]] = {
    "WordPiece": WordPiece, "Unigram": Unigram, "BPE": Bpe, "WordLevel": WordLevel,
}  # fmt: skip


def vocabulary_of(model: Mapping[str, Any]) -> Vocabulary:
    """The vocabulary of a tokenizer.json.

    Args:
      model: its entry of that name.
    Raises:
      UnsupportedError: of a kind that is not known here, or one that is random.
    """
    kind = str(model.get("type"))
    if kind not in _KINDS:
        raise UnsupportedError(
            f"a tokenizer of kind '{kind}' cannot be cut.", f"known: {', '.join(_KINDS)}."
        )
    return _KINDS[kind](model)


def _pair(merge: str | list[str]) -> tuple[str, str]:
    """Older files write a merge as one string, in which no part can hold a space."""
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right


def _bytes(model: Mapping[str, Any], ids: Mapping[str, int]) -> set[int]:
    if not model.get("byte_fallback"):
        return set()
    return {number for token, number in ids.items() if _BYTE.fullmatch(token)}


def _known(number: int | None) -> set[int]:
    return set() if number is None else {number}

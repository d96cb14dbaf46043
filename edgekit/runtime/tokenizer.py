"""Text to ids, by the tokenizers library and the contract's lengths alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.contract import Contract
from edgekit.errors import ArtifactError, MissingExtraError
from edgekit.manifest import CHAT_NAME, TOKENIZER_NAME

Ids = dict[str, npt.NDArray[np.int64]]

#: begins the names of what a decoder reads beside its source
DECODER = "decoder_"

#: contract input -> attribute of the tokenizers library's Encoding
_SOURCES = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}


@dataclass(frozen=True, slots=True)
class Encoded:
    """One example (or one window of a long one) with the places of its tokens.

    Attributes:
      ids: int64 [length] by input name, unpadded.
      offsets: int64 [length, 2], where each token begins and ends in its text, in characters.
      special: bool [length], tokens that stand for no text.
      sequence: int64 [length], 0 or 1 for the first and second text, -1 for special tokens.
      words: int64 [length], number of the word that a token belongs to, -1 for special tokens.
      tokens: the vocabulary's own names of the tokens.
    """

    ids: Ids
    offsets: npt.NDArray[np.int64]
    special: npt.NDArray[np.bool_]
    sequence: npt.NDArray[np.int64]
    words: npt.NDArray[np.int64]
    tokens: tuple[str, ...]


class TextTokenizer:
    """A tokenizer.json whose own truncation and padding are overridden by the contract.

    One maximum length per folder: the settings inside tokenizer.json are often those of whoever
    saved it last (all-MiniLM-L6-v2 pads everything to 128 there).
    """

    def __init__(self, tokenizer: Any, contract: Contract, chat_template: str = "") -> None:
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._contract = contract
        # what a decoder reads is the task's to make
        self._names = [name for name in contract.input_names if not name.startswith(DECODER)]
        #: how a conversation becomes a prompt (``edgekit.generation.chat``); "" where there is none
        self.chat_template = chat_template
        self._truncate()

    def _truncate(self, strategy: str = "longest_first", stride: int = 0) -> None:
        self._tokenizer.enable_truncation(
            self._contract.max_length,
            stride=stride,
            strategy=strategy,
            direction=self._contract.truncation_side,
        )

    @staticmethod
    def from_folder(folder: Path, contract: Contract) -> TextTokenizer:
        """Load ``tokenizer.json`` of an exported folder, and its chat template.

        Raises:
          ArtifactError: one is missing, or no tokenizer, or no text.
          MissingExtraError: the tokenizers package is not installed.
        """
        try:
            from tokenizers import Tokenizer
        except ImportError:
            raise MissingExtraError("tokenizers", "onnx,tflite", "reading text") from None
        path = folder / TOKENIZER_NAME
        if not path.is_file():
            raise ArtifactError(f"'{path}' is missing.", "export the model again.")
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises a bare Exception for bad files
            raise ArtifactError(f"'{path}' is no tokenizer: {error}.", "export again.") from error
        return TextTokenizer(tokenizer, contract, _chat_template(folder, contract))

    @staticmethod
    def from_json(text: str, contract: Contract) -> TextTokenizer:
        """One from the content of a tokenizer.json."""
        from tokenizers import Tokenizer

        return TextTokenizer(Tokenizer.from_str(text), contract)

    def encode(self, texts: Sequence[str], pairs: Sequence[str | None]) -> list[Ids]:
        """Ids of each text (or pair), unpadded.

        Args:
          texts: first or only text of each example.
          pairs: second text, or None.
        Returns:
          one dict per example of int64 [length] arrays under the contract's input names.
          A text that gives no token at all, special ones included, is one pad token.
        """
        encodings = self._tokenizer.encode_batch(_examples(texts, pairs))
        return [self._ids(encoding) for encoding in encodings]

    def encode_places(self, texts: Sequence[str], pairs: Sequence[str | None]) -> list[Encoded]:
        """As ``encode``, with the places of the tokens in their texts."""
        return [self._places(e) for e in self._tokenizer.encode_batch(_examples(texts, pairs))]

    def prompt_ids(self, text: str, special: bool = True) -> list[int]:
        """Tokens of a prompt, however many there are: none is ever cut.

        Args:
          text: the prompt.
          special: with the tokens that the tokenizer puts around a text.
        """
        self._tokenizer.no_truncation()
        try:
            return list(self._tokenizer.encode(text, add_special_tokens=special).ids)
        finally:
            self._truncate()

    def encode_words(self, words: Sequence[Sequence[str]]) -> list[Encoded]:
        """Tokenize texts that are split into words already; ``words`` of the result count them."""
        found = self._tokenizer.encode_batch([list(w) for w in words], is_pretokenized=True)
        return [self._places(encoding) for encoding in found]

    def encode_windows(self, text: str, pair: str, stride: int) -> list[Encoded]:
        """A pair whose second text may be too long, as windows that overlap.

        The first text is never cut; where it leaves no room, the longer of the two is.

        Args:
          text, pair: question and context.
          stride: tokens by which two windows overlap; half a window at most.
        """
        room = self._room_beside(text)
        if room < 1:
            return self.encode_places([text], [pair])
        with self._second_only(min(stride, room // 2)):
            first = self._tokenizer.encode(text, pair)
        return [self._places(e) for e in (first, *first.overflowing)]

    def _room_beside(self, text: str) -> int:
        """Tokens that a first text leaves for a second one."""
        self._tokenizer.no_truncation()
        taken = len(self._tokenizer.encode(text, add_special_tokens=False).ids)
        self._truncate()
        special = int(self._tokenizer.num_special_tokens_to_add(is_pair=True))
        return self._contract.max_length - special - taken

    def is_cut(self, texts: Sequence[Any], words: bool = False) -> list[bool]:
        """Whether each example is longer than the contract's tokens.

        Args:
          texts: texts, pairs of texts, or lists of words.
          words: they are lists of words.
        """
        found = self._tokenizer.encode_batch(list(texts), is_pretokenized=words)
        return [bool(encoding.overflowing) for encoding in found]

    def token(self, number: int) -> str:
        """The vocabulary's name of an id."""
        return str(self._tokenizer.id_to_token(number))

    @property
    def unknown_id(self) -> int | None:
        """Id of what stands for a part that is not in the vocabulary, or None."""
        # the library does not tell it of Unigram models; all of SentencePiece's call it so
        plain = "<unk>" if type(self._tokenizer.model).__name__ == "Unigram" else None
        token = getattr(self._tokenizer.model, "unk_token", plain)
        number = None if token is None else self._tokenizer.token_to_id(token)
        return None if number is None else int(number)

    @property
    def vocabulary_size(self) -> int:
        """One more than the largest id."""
        ids = self._tokenizer.get_vocab(with_added_tokens=True).values()
        return 1 + max(ids, default=-1)

    def decode(self, ids: Sequence[int], skip_special: bool = False) -> str:
        """Ids as text."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=skip_special))

    @contextmanager
    def _second_only(self, stride: int) -> Iterator[None]:
        self._truncate("only_second", stride)
        try:
            yield
        finally:
            self._truncate()

    def _ids(self, encoding: Any) -> Ids:
        if not encoding.ids:
            # a text without words, and no special tokens around it: no model takes zero tokens
            stand_in = {"input_ids": self._contract.pad_id, "attention_mask": 1}
            names = self._names
            return {name: np.array([stand_in.get(name, 0)], np.int64) for name in names}
        return {
            name: np.asarray(getattr(encoding, _SOURCES[name]), dtype=np.int64)
            for name in self._names
        }

    def _places(self, encoding: Any) -> Encoded:
        if not encoding.ids:
            none = np.array([-1], np.int64)
            name = self.token(self._contract.pad_id)
            return Encoded(
                self._ids(encoding), np.zeros((1, 2), np.int64), none < 0, none, none, (name,)
            )

        def numbers(values: Sequence[int | None]) -> npt.NDArray[np.int64]:
            return np.array([-1 if v is None else v for v in values], np.int64)

        return Encoded(
            ids=self._ids(encoding),
            offsets=np.asarray(encoding.offsets, np.int64).reshape(-1, 2),
            special=np.asarray(encoding.special_tokens_mask, bool),
            sequence=numbers(encoding.sequence_ids),
            words=numbers(encoding.word_ids),
            tokens=tuple(encoding.tokens),
        )


def _chat_template(folder: Path, contract: Contract) -> str:
    if contract.generation is None or not contract.generation.chat:
        return ""
    path = folder / CHAT_NAME
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ArtifactError(f"'{path}' is missing.", "export the model again.") from None
    except UnicodeDecodeError:
        raise ArtifactError(f"'{path}' is no text in UTF-8.", "export the model again.") from None


def _examples(texts: Sequence[str], pairs: Sequence[str | None]) -> list[Any]:
    return [t if p is None else (t, p) for t, p in zip(texts, pairs, strict=True)]


def pad_batch(rows: Sequence[Ids], contract: Contract, length: int | None = None) -> Ids:
    """Stack examples into int64 [batch, length] arrays, padded on the contract's side.

    Args:
      rows: what ``TextTokenizer.encode`` gave.
      contract: names the pad id and side.
      length: width of the batch; the longest example when None. What a decoder reads beside its
        source is as wide as its own longest example.
    """
    batch: Ids = {}
    for name in rows[0]:
        own = name.startswith(DECODER)
        width = (None if own else length) or max(len(row[name]) for row in rows)
        fill = contract.pad_id if name.endswith("input_ids") else 0
        out = np.full((len(rows), width), fill, np.int64)
        for i, row in enumerate(rows):
            n = len(row[name])
            if contract.padding_side == "left":
                out[i, width - n :] = row[name]
            else:
                out[i, :n] = row[name]
        batch[name] = out
    return batch

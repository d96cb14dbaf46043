"""Independent readings of vocabularies: text to ids by the published definitions, in plain Python.

They exist to be compared with a fast tokenizer that was made from the same files, so they share no
code with it. They know no special tokens inside a text.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from edgekit.errors import CheckpointError, MissingExtraError

Reading = Callable[[str], list[int]]

_LONGEST_WORD = 100
_CONTRACTIONS = ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d")


def read_vocabulary(path: Path) -> dict[str, int]:
    """vocab.txt (one piece per line) or vocab.json (piece -> id)."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            return {str(piece): int(index) for piece, index in json.loads(text).items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"'{path}' cannot be read ({error}).", "copy it anew.") from error
    # split at line feeds alone: a piece may be a character that splitlines() breaks at
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return {line.removesuffix("\r"): index for index, line in enumerate(lines)}


def wordpiece(vocabulary: Mapping[str, int], unknown: str, settings: Mapping[str, Any]) -> Reading:
    """BERT's tokenization: basic splitting, then the longest piece first.

    Source: Devlin et al. 2018, arXiv 1810.04805, and its tokenization.py: clean, space out Chinese
    characters, lower-case and strip accents, split at punctuation, greedy pieces with "##".
    """
    lower = bool(settings.get("do_lower_case", True))
    chinese = bool(settings.get("tokenize_chinese_chars", True))
    strip = settings.get("strip_accents")
    strip = lower if strip is None else bool(strip)

    def words(text: str) -> list[str]:
        cleaned = "".join(_clean(char, chinese) for char in text)
        found: list[str] = []
        for word in cleaned.split():
            plain = word.lower() if lower else word
            if strip:
                parts = unicodedata.normalize("NFD", plain)
                plain = "".join(c for c in parts if unicodedata.category(c) != "Mn")
            spaced = "".join(f" {c} " if _is_punctuation(c) else c for c in plain)
            found += spaced.split()
        return found

    def pieces(word: str) -> list[int]:
        if len(word) > _LONGEST_WORD:
            return [vocabulary[unknown]]
        ids, start = [], 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = word[start:end] if start == 0 else f"##{word[start:end]}"
                if piece in vocabulary:
                    break
            else:
                return [vocabulary[unknown]]
            ids.append(vocabulary[piece])
            start = end
        return ids

    return lambda text: [index for word in words(text) for index in pieces(word)]


def _clean(char: str, chinese: bool) -> str:
    category = unicodedata.category(char)
    if char in " \t\n\r" or category == "Zs":
        return " "
    if char in "\0\ufffd" or category.startswith("C"):
        return ""
    return f" {char} " if chinese and _is_chinese(ord(char)) else char


def _is_chinese(code: int) -> bool:
    """The CJK blocks of BERT's definition; not Hangul, Hiragana or Katakana."""
    blocks = (
        (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
        (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
    )  # fmt: skip
    return any(first <= code <= last for first, last in blocks)


def _is_punctuation(char: str) -> bool:
    """Unicode punctuation, and every ASCII sign, as BERT counts them."""
    ascii_sign = char.isascii() and char.isprintable() and not char.isalnum() and char != " "
    return ascii_sign or unicodedata.category(char).startswith("P")


def byte_pairs(
    vocabulary: Mapping[str, int], merges: Path, unknown: str, settings: Mapping[str, Any]
) -> Reading:
    """GPT-2's byte-level byte pair encoding, as RoBERTa uses it.

    Source: Radford et al. 2019 (GPT-2), encoder.py: words by one pattern, UTF-8 bytes as printable
    characters, then the merge of lowest rank until none is left.
    """
    letters = byte_letters()
    ranks = _read_merges(merges)
    prefix = bool(settings.get("add_prefix_space", False))

    def pieces(word: str) -> list[str]:
        parts = [letters[byte] for byte in word.encode("utf-8")]
        while len(parts) > 1:
            best = min(pairwise(parts), key=lambda pair: ranks.get(pair, len(ranks)))
            if best not in ranks:
                break
            joined, i = [], 0
            while i < len(parts):
                if tuple(parts[i : i + 2]) == best:
                    joined.append("".join(best))
                    i += 2
                else:
                    joined.append(parts[i])
                    i += 1
            parts = joined
        return parts

    def read(text: str) -> list[int]:
        if prefix and text and not text[0].isspace():
            text = f" {text}"
        found = [piece for word in _gpt2_words(text) for piece in pieces(word)]
        return [vocabulary[piece if piece in vocabulary else unknown] for piece in found]

    return read


def _gpt2_words(text: str) -> list[str]:
    """GPT-2's words: runs of letters, of numbers or of other signs, each with one space before it.

    The published pattern, spelt out: contractions first ('s 't 're 've 'm 'll 'd), and of several
    blanks all but the last are a word of their own.
    """
    words, start = [], 0
    while start < len(text):
        short = next((c for c in _CONTRACTIONS if text.startswith(c, start)), None)
        if short is not None:
            words.append(short)
            start += len(short)
            continue
        first = start
        if text[start] == " " and start + 1 < len(text) and _sort_of(text[start + 1]) != "blank":
            first += 1
        sort, end = _sort_of(text[first]), first
        while end < len(text) and _sort_of(text[end]) == sort:
            end += 1
        if sort == "blank" and end < len(text) and end - start > 1:
            end -= 1
        words.append(text[start:end])
        start = end
    return words


def _sort_of(char: str) -> str:
    if char.isspace() and char not in "\x1c\x1d\x1e\x1f":  # these have no White_Space property
        return "blank"
    category = unicodedata.category(char)[0]
    return category if category in "LN" else "other"


def byte_letters() -> list[str]:
    """A printable character for each byte: itself, or the next from 256 on."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    letters, spare = [], 256
    for byte in range(256):
        if byte in printable:
            letters.append(chr(byte))
        else:
            letters.append(chr(spare))
            spare += 1
    return letters


def _read_merges(path: Path) -> dict[tuple[str, str], int]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        pairs = [tuple(x.split(" ")) for x in lines if x.strip() and not x.startswith("#version")]
        return {(first, second): rank for rank, (first, second) in enumerate(pairs)}
    except (OSError, ValueError) as error:
        raise CheckpointError(f"'{path}' cannot be read ({error}).", "copy it anew.") from error


def sentence_pieces(path: Path) -> Any:
    """The sentencepiece library's own processor of a .model file.

    Raises:
      CheckpointError: no sentencepiece model.
      MissingExtraError: the package is not installed.
    """
    try:
        import sentencepiece
    except ImportError:
        raise MissingExtraError("sentencepiece", "convert", "reading a .model tokenizer") from None
    try:
        return sentencepiece.SentencePieceProcessor(model_file=str(path))
    except (OSError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"'{path}' is no sentencepiece model.", "copy it anew.") from error


def albert_text(settings: Mapping[str, Any]) -> Callable[[str], str]:
    """What ALBERT does to a text before sentencepiece (Lan et al. 2019, arXiv 1909.11942)."""
    lower = bool(settings.get("do_lower_case", True))
    accents = bool(settings.get("keep_accents", False))

    def change(text: str) -> str:
        text = " ".join(text.split()).replace("``", '"').replace("''", '"')
        if not accents:
            text = unicodedata.normalize("NFKD", text)
            text = "".join(c for c in text if not unicodedata.combining(c))
        return text.lower() if lower else text

    return change


def albert_pieces(processor: Any, text: str) -> list[str]:
    """Pieces of a prepared text; ALBERT takes a comma behind a digit off and splits the rest anew.

    XLNet's and ALBERT's tokenization.py (encode_pieces) do it so that "9," is read as "9" and ",".
    """
    found: list[str] = []
    for piece in processor.encode(text, out_type=str):
        if len(piece) > 1 and piece[-1] == "," and piece[-2].isdigit():
            again = processor.encode(piece[:-1].replace("▁", ""), out_type=str)
            if piece[0] != "▁" and again[0][0] == "▁":
                again = again[1:] if len(again[0]) == 1 else [again[0][1:], *again[1:]]
            found += [*again, ","]
        else:
            found.append(piece)
    return found

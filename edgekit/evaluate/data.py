"""Labelled data files: what the model is given on each row, and what is true there."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import CasesError
from edgekit.evaluate.labels import LabelMap
from edgekit.tasks.cases import example_of, read_rows, read_text

_BLANKS = re.compile(r"[ \t\r]+")

_LABEL_KEYS = ("label", "labels")
_SCORE_KEYS = ("score", *_LABEL_KEYS)
_TAG_KEYS = ("tags", "ner_tags", *_LABEL_KEYS)
_ANSWER_KEYS = ("answers", "answer")
_TARGET_KEYS = ("target", *_LABEL_KEYS)


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled row.

    Attributes:
      line: its line in the file, counted from 1.
      given: a text; a pair of texts (a question and its context too); or a tuple of words.
      truth: by kind of answer: a label's index (single-label), sorted indices (multi-label), a
        float (regression and sentence pairs), a tag's index per word (token-classification), the
        accepted answers, none when there is no answer (question-answering), the wanted text
        (written-text), nothing (language-model).
    """

    line: int
    given: Any
    truth: Any


def read_data(path: Path, kind: str, labels: LabelMap, limit: int | None = None) -> list[Row]:
    """Read a data file as the kind of answer needs it.

    Args:
      path: TSV with a header or JSONL; for token classification JSONL, or columns as in CoNLL
        files: a word and last its tag on each line, an empty line between sentences.
      kind: a key of ``edgekit.evaluate.metrics.KINDS``.
      labels: of the contract.
      limit: only the first rows.
    Raises:
      CasesError: the file cannot be read, a row has no label, or one that is not known.
    """
    if kind == "token-classification" and not _is_jsonl(path):
        return _read_columns(path, labels, limit)
    return [_READERS[kind](path, line, row, labels) for line, row in read_rows(path)[:limit]]


def _is_jsonl(path: Path) -> bool:
    return path.suffix in (".jsonl", ".json") or read_text(path).lstrip().startswith("{")


def _class(path: Path, line: int, row: dict[str, Any], labels: LabelMap) -> Row:
    found = _value(path, line, row, _LABEL_KEYS)
    return Row(line, _given(path, line, row), _known(path, line, found, labels))


def _classes(path: Path, line: int, row: dict[str, Any], labels: LabelMap) -> Row:
    """Several labels: a list of names or indices, a list of floats with one for each label of the
    model (as transformers trains them), or text joined by "+" or ",".
    """
    found = _value(path, line, row, _LABEL_KEYS, empty=True)
    if isinstance(found, list) and found and all(isinstance(v, float) for v in found):
        if len(found) != len(labels):
            raise CasesError(
                f"data file '{path}', line {line}: {len(found)} label values, "
                f"{len(labels)} expected.",
                f"one for each of: {labels}.",
            )
        chosen = [i for i, v in enumerate(found) if v > 0.5]
    else:
        if isinstance(found, str) and labels.index(found) is None:
            parts = found.split("+" if "+" in found else ",")
            found = [part for part in parts if part.strip()]
        several = found if isinstance(found, list) else [found]
        chosen = [_known(path, line, value, labels) for value in several]
    return Row(line, _given(path, line, row), tuple(sorted(set(chosen))))


def _number(path: Path, line: int, row: dict[str, Any], labels: LabelMap) -> Row:
    found = _value(path, line, row, _SCORE_KEYS)
    try:
        score = float(found)
    except (TypeError, ValueError, OverflowError):
        score = math.nan
    if not math.isfinite(score):
        raise CasesError(
            f"data file '{path}', line {line}: score {_short(found)} is no finite number.",
            "write a number, for example 3.5.",
        )
    return Row(line, _given(path, line, row), score)


def _pair(path: Path, line: int, row: dict[str, Any], labels: LabelMap) -> Row:
    read = _number(path, line, row, labels)
    if not isinstance(read.given, tuple):
        raise CasesError(
            f"data file '{path}', line {line}: one text, two expected.",
            "sentence embeddings are judged on pairs: sentence1, sentence2, score.",
        )
    return read


def _words(path: Path, line: int, row: dict[str, Any], labels: LabelMap) -> Row:
    words, tags = row.get("tokens"), _value(path, line, row, _TAG_KEYS)
    if not isinstance(words, list) or not isinstance(tags, list):
        raise CasesError(
            f"data file '{path}', line {line}: lists of tokens and tags are expected.",
            'write {"tokens": ["Ada", "wrote"], "tags": ["B-PER", "O"]}',
        )
    if len(words) != len(tags) or not words:
        raise CasesError(
            f"data file '{path}', line {line}: {len(words)} tokens, {len(tags)} tags.",
            "each word has one tag, and each sentence one word at least.",
        )
    return _tagged(path, line, words, [(line, tag) for tag in tags], labels)


def _question(path: Path, line: int, row: dict[str, Any], labels: LabelMap) -> Row:
    pair = tuple(_text(path, line, row.get(key), key) for key in ("question", "context"))
    if row.get("is_impossible") is True:
        return Row(line, pair, ())
    found = _value(path, line, row, _ANSWER_KEYS, empty=True)
    texts = found.get("text") if isinstance(found, dict) else found
    if isinstance(texts, str):
        texts = [texts] if texts.strip() else []
    if not isinstance(texts, list):
        raise CasesError(
            f"data file '{path}', line {line}: answers {_short(found)} are no list of texts.",
            'write "answers": ["..."], or [] where the context has no answer.',
        )
    return Row(line, pair, tuple(_text(path, line, text, "answers") for text in texts))


def _whole_text(path: Path, line: int, row: dict[str, Any], labels: LabelMap) -> Row:
    return Row(line, example_of(path, line, row).text, None)


def _prompted(path: Path, line: int, row: dict[str, Any], labels: LabelMap) -> Row:
    """A prompt, as it is (a space at its end may matter), and what is to come behind it."""
    target = _text(path, line, _value(path, line, row, _TARGET_KEYS), "the target")
    prompt = row.get("prompt")
    if prompt is None:
        return Row(line, example_of(path, line, row).text, target)
    return Row(line, _text(path, line, prompt, "prompt"), target)


_READERS: dict[str, Callable[[Path, int, dict[str, Any], LabelMap], Row]] = {
    "single-label": _class,
    "multi-label": _classes,
    "regression": _number,
    "sentence-embedding": _pair,
    "token-classification": _words,
    "question-answering": _question,
    "language-model": _whole_text,
    "written-text": _prompted,
}


def _read_columns(path: Path, labels: LabelMap, limit: int | None) -> list[Row]:
    rows: list[Row] = []
    words: list[str] = []
    tags: list[tuple[int, str]] = []
    # one empty line more, which ends the last sentence
    for line, text in enumerate([*read_text(path).split("\n"), ""], 1):
        # not split(): a no-break space is a word of some files
        columns = [column for column in _BLANKS.split(text) if column]
        if columns and columns[0] != "-DOCSTART-":
            if len(columns) < 2:
                raise CasesError(
                    f"data file '{path}', line {line}: one column, a word and its tag expected.",
                    "write one word and its tag on each line, or JSONL with tokens and tags.",
                )
            words.append(columns[0])
            tags.append((line, columns[-1]))
        elif words:
            rows.append(_tagged(path, tags[0][0], words, tags, labels))
            words, tags = [], []
            if len(rows) == limit:
                break
    if not rows:
        raise CasesError(f"data file '{path}' has no sentences.", "write a word and a tag a line.")
    return rows


def _tagged(
    path: Path, line: int, words: list[Any], tags: list[tuple[int, Any]], labels: LabelMap
) -> Row:
    texts = tuple(_text(path, line, word, "tokens") for word in words)
    return Row(line, texts, tuple(_known(path, at, tag, labels) for at, tag in tags))


def _given(path: Path, line: int, row: dict[str, Any]) -> str | tuple[str, str]:
    example = example_of(path, line, row)
    if example.text_pair is None:
        return example.text
    return example.text, _text(path, line, example.text_pair, "the second text")


def _value(
    path: Path, line: int, row: dict[str, Any], keys: tuple[str, ...], empty: bool = False
) -> Any:
    """The first of some keys; ``empty`` lets an empty text through, which then says "none"."""
    found = next((row[key] for key in keys if row.get(key) is not None), None)
    if found is None or (isinstance(found, str) and not found.strip() and not empty):
        columns = ", ".join(repr(k) for k in list(row)[:6])
        raise CasesError(
            f"data file '{path}', line {line}: no {keys[0]} (found {columns}).",
            f"evaluation needs a column {' or '.join(keys)} on every row.",
        )
    return found


def _known(path: Path, line: int, value: Any, labels: LabelMap) -> int:
    index = labels.index(value)
    if index is None:
        hint = f"the model knows: {labels}; or their indices 0 to {len(labels) - 1}."
        if str(value).strip() == "-1":
            hint += " -1 usually marks rows whose label is held back."
        raise CasesError(f"data file '{path}', line {line}: unknown label {_short(value)}.", hint)
    return index


def _text(path: Path, line: int, value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise CasesError(
            f"data file '{path}', line {line}: {key} holds {_short(value)}, text is expected.",
            "check the file's columns.",
        )
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise CasesError(
            f"data file '{path}', line {line}: half a character in {key} (a lone surrogate).",
            "the text was cut inside an emoji: write it again.",
        ) from None
    return value


def _short(value: Any) -> str:
    # ascii: half a character in a label must not break the terminal
    text = ascii(value) if not isinstance(value, str) or not value.isprintable() else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."

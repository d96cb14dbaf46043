"""Tokenizers without a tokenizer.json: made by transformers, then proven id by id or refused.

A folder of before fast tokenizers has vocab.txt, vocab.json with merges.txt, or a sentencepiece
.model. transformers builds a fast tokenizer from these; this module reads the same files once more
by independent code and compares ids over ordinary and hard texts. Not every such conversion is
faithful: transformers 5.23 leaves the normalisation out of DeBERTa's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgekit.converters.sources.slow_families import SAVE_FAST, independent_reading, slow_files

from edgekit.errors import CheckpointError, UnsupportedError, first_line
from edgekit.tasks.builtin_cases import builtin_texts

#: texts on which conversions go wrong; a difference on any of them is a refusal
HARD_TEXTS = (
    "several   spaces  between\twords\nand lines\r\n", "  leading", "trailing  ", " ",
    "a no-break\u00a0space and an ideographic\u3000one", "soft\u00adhyphen",
    "ligatures: ﬁne ﬂow ﬀ", "full width: ＡＢＣ １２３！", "an ellipsis… and a trade mark™",
    "½ cup, x² + y³, ①", "don't we'll I'VE it'S they'd", "``quoted'' and \"quoted\" and ‘quoted’",
    "9,000 and 12,5 and 1, 2, 3,", "3.14-15:92/65", "snake_case camelCase kebab-case",
    "--- *** ###", "##hash @user $100 %50", "x" * 99, "x" * 130, "straße STRASSE Weiß",
    "Ünïcödé Ça Ñandú", "İstanbul Isparta ılık", "Ελλάδα και Ἀθῆναι", "Ёлка ёж Йод",
    "𝒳 and 𠀀𠀁 beyond the basic plane", "中文English混排123", "ひらがなカタカナ漢字",
    "한국어 띄어쓰기", "ภาษาไทยไม่มีช่องว่าง", "हिन्दी में", "العَرَبِيَّة مَعَ الحَرَكات", "עברית",
    "👩‍👩‍👧‍👦 👍🏽 🇩🇪", "«guillemets» „low“ —dash– ¿qué?", "if (a<b && c>=d) { return x[0]; }",
)  # fmt: skip
#: characters where slow and fast code are known to part in rare cases: told, not refused
RARE_TEXTS = (
    "\n", "\tled by a tab", "e\u0301te\u0301 in pieces", "two marks a\u0300\u0301b", "ΟΔΟΣ",
    "ẞ", "ǅ", "\ufeffmark", "zero\u200bwidth\u200djoiner", "\x00\x07control", "\ufffd",
    "▁underline", "\u202eright\u202c",
)  # fmt: skip


def has_tokenizer(folder: Path) -> bool:
    """Whether a folder holds the files of a tokenizer, fast or slow."""
    return (folder / "tokenizer.json").is_file() or bool(slow_files(folder))


def check_tokenizer_files(folder: Path) -> None:
    """Refuse a folder without any tokenizer before transformers looks at it.

    Raises:
      CheckpointError: none there.
      UnsupportedError: two of them (Marian).
    """
    if (folder / "source.spm").is_file() and not (folder / "tokenizer.json").is_file():
        raise UnsupportedError(
            f"the tokenizer of '{folder}' is two sentencepiece models and a vocabulary of its own "
            "(source.spm, target.spm, vocab.json): one fast form cannot read with the first and "
            "write with the second, so none could be proven.",
            "give a checkpoint of that architecture that has a tokenizer.json.",
        )
    if not has_tokenizer(folder):
        raise CheckpointError(
            f"'{folder}' holds no tokenizer (tokenizer.json, vocab.txt, vocab.json with "
            "merges.txt, or a sentencepiece .model).",
            "save its tokenizer there: tokenizer.save_pretrained(DIR).",
        )


def prove_conversion(folder: Path, model_type: str, tokenizer: Any) -> list[str]:
    """Hold a tokenizer that transformers made of slow files against an independent reading.

    Args:
      folder: with the files; one with a tokenizer.json is only looked at for contradictions.
      model_type: of config.json, for folders that name no tokenizer class.
      tokenizer: what AutoTokenizer gave.
    Returns:
      notes for the manifest: that it was converted, and what is read differently.
    Raises:
      CheckpointError: a file is damaged.
      MissingExtraError: sentencepiece is needed and not installed.
      UnsupportedError: there is no independent reading of that class, or ids differ.
    """
    from tokenizers import Tokenizer

    fast = _plain(Tokenizer.from_str(tokenizer.backend_tokenizer.to_str()))
    ordinary = [(e.text, e.text_pair) for e in builtin_texts(256, pairs=True)]
    cases = [*ordinary, *((text, None) for text in HARD_TEXTS)]
    path = folder / "tokenizer.json"
    if path.is_file():
        return _told_against_file(path, fast, cases)
    read = independent_reading(folder, model_type)
    for text, pair in cases:
        encoding = fast.encode(text, pair)
        ids, types = read(text, pair)
        for what, found, expected in (
            ("ids", encoding.ids, ids),
            ("token types", encoding.type_ids, types),
        ):
            if found != expected:
                raise UnsupportedError(
                    f"the tokenizer of '{folder}' cannot be converted: for {_shown(text, pair)} "
                    f"its fast form gives {what} {_around(found, expected)}, its slow reading "
                    f"{_around(expected, found)}.",
                    SAVE_FAST,
                )
    rare = [text for text in RARE_TEXTS if fast.encode(text).ids != read(text, None)[0]]
    notes = [
        "its tokenizer was converted from slow files: the same ids as an independent reading on "
        f"{len(cases)} texts"
    ]
    if rare:
        notes.append(
            f"its converted tokenizer reads {len(rare)} of {len(RARE_TEXTS)} texts of rare "
            f"characters otherwise than slow code does (first: {rare[0]!r})"
        )
    return notes


def _told_against_file(path: Path, fast: Any, cases: Sequence[tuple[str, str | None]]) -> list[str]:
    """Some classes of transformers build their own normaliser and ignore the file's.

    What transformers gives is the reference, so it is what is exported; a file that says something
    else (BertTokenizer with do_lower_case left out beside a cased tokenizer.json) is told.
    """
    from tokenizers import Tokenizer

    try:
        alone = _plain(Tokenizer.from_file(str(path)))
    except Exception as error:  # the library raises a bare Exception for bad files
        raise CheckpointError(
            f"'{path}' is no tokenizer ({first_line(error)}).", "save it again, or copy it anew."
        ) from error
    for text, pair in cases:
        if fast.encode(text, pair).ids != alone.encode(text, pair).ids:
            return [
                "transformers reads its tokenizer otherwise than tokenizer.json alone says (first "
                f"difference: {_shown(text, pair)}); exported as transformers reads it: check "
                "do_lower_case and the like in tokenizer_config.json"
            ]
    return []


def _plain(tokenizer: Any) -> Any:
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def pad_id(tokenizer: Any, config: Mapping[str, Any]) -> int:
    """The id that fills short rows: the tokenizer's, else the config's, else 0.

    Encoders mask these positions, so that any id of the vocabulary will do; parity in padded
    batches and in every bucket is judged at export.
    """
    for found in (tokenizer.pad_token_id, config.get("pad_token_id")):
        if isinstance(found, int) and 0 <= found < int(config.get("vocab_size") or found + 1):
            return found
    return 0


def pad_token_notes(tokenizer: Any, config: Mapping[str, Any]) -> list[str]:
    """What to say of a tokenizer without a pad token."""
    if tokenizer.pad_token_id is not None:
        return []
    return [f"its tokenizer has no pad token: id {pad_id(tokenizer, config)} fills masked places"]


def _shown(text: str, pair: str | None) -> str:
    def short(value: str) -> str:
        return repr(value if len(value) <= 40 else f"{value[:40]}…")

    return short(text) if pair is None else f"{short(text)} with {short(pair)}"


def _around(ids: list[int], other: list[int]) -> str:
    """The ids around the first difference."""
    at = next((i for i, (a, b) in enumerate(zip(ids, other, strict=False)) if a != b), None)
    at = min(len(ids), len(other)) if at is None else at
    start = max(0, at - 2)
    body = ", ".join(str(i) for i in ids[start : at + 4])
    return f"[{'..., ' if start else ''}{body}{', ...' if len(ids) > at + 4 else ''}]"

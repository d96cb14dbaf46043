"""Unicode scripts of letters, told by the names that Unicode gives to characters.

Python has no table of scripts. A letter's name begins with its script (CYRILLIC SMALL LETTER A),
or with its width and then the script; signs that any script may use (digits, punctuation, accents
that combine) belong to none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from functools import cache

from edgekit.converters.sources.slow_readings import byte_letters

from edgekit.errors import UsageError

#: script -> first words of its letters' names; living scripts that vocabularies hold
_NAMES = {
    name: {name.upper()}
    for name in (
        "latin", "cyrillic", "greek", "arabic", "hebrew", "armenian", "georgian", "devanagari",
        "bengali", "gurmukhi", "gujarati", "oriya", "tamil", "telugu", "kannada", "malayalam",
        "sinhala", "thai", "lao", "tibetan", "myanmar", "khmer", "ethiopic", "mongolian", "hangul",
        "hiragana", "katakana", "bopomofo", "syriac", "thaana", "cherokee",
    )
} | {"han": {"CJK", "IDEOGRAPHIC", "KANGXI"}}  # fmt: skip
SCRIPTS = tuple(sorted(_NAMES))

_OF_WORD = {word: script for script, words in _NAMES.items() for word in words}
#: before the script in a name
_WIDTHS = ("FULLWIDTH", "HALFWIDTH")
#: letters and marks that go with any script
_SHARED = ("COMBINING", "MODIFIER", "VARIATION")
#: a script that is not listed
_OTHER = "other"
#: places that were left free in a vocabulary: their letters are no text
_PLACEHOLDER = re.compile(r"[\[<]unused_?\d+[\]>]")


def check_scripts(names: Collection[str]) -> frozenset[str]:
    """Names of scripts, in lower case.

    Raises:
      UsageError: one is not known.
    """
    found = frozenset(name.lower() for name in names)
    if unknown := sorted(found - set(SCRIPTS)):
        raise UsageError(f"unknown script '{unknown[0]}'.", f"known: {', '.join(SCRIPTS)}.")
    return found


@cache
def script_of(character: str) -> str | None:
    """The script of a letter or mark; None for a sign that goes with all of them."""
    if unicodedata.category(character)[0] not in "LM":
        return None
    words = unicodedata.name(character, "").split()
    while words and words[0] in _WIDTHS:
        del words[0]
    first = words[0] if words else ""
    return None if first in _SHARED else _OF_WORD.get(first, _OTHER)


def is_of(text: str, scripts: Collection[str]) -> bool:
    """Whether all letters of a token's text are of these scripts; signs are of any."""
    if _PLACEHOLDER.fullmatch(text):
        return False
    return all(script_of(c) is None or script_of(c) in scripts for c in text)


def byte_level_text(token: str) -> str | None:
    """What a token of a byte-level vocabulary stands for; None for a part of a character."""
    table = _byte_of_character()
    if not all(c in table for c in token):
        return token  # an added token, written as it is
    try:
        return bytes(table[c] for c in token).decode("utf-8")
    except UnicodeDecodeError:
        return None


@cache
def _byte_of_character() -> dict[str, int]:
    return {letter: byte for byte, letter in enumerate(byte_letters())}

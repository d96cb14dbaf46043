"""Which tokens belong to a script."""

from __future__ import annotations

import pytest
from edgekit.converters.shrink.scripts import byte_level_text, check_scripts, is_of, script_of
from edgekit.converters.shrink.trim_tokenizer import TokenizerFile
from edgekit.converters.sources.slow_readings import byte_letters

from edgekit.errors import UsageError
from tests.shrink.test_trim_tokenizer import content


@pytest.mark.parametrize(
    ("character", "script"),
    [
        ("a", "latin"), ("Ä", "latin"), ("Ａ", "latin"), ("я", "cyrillic"), ("Ω", "greek"),
        ("中", "han"), ("々", "han"), ("ひ", "hiragana"), ("ｶ", "katakana"), ("한", "hangul"),
        ("ع", "arabic"), ("ि", "devanagari"), ("7", None), ("!", None), ("▁", None),
        ("\u0301", None), ("👍", None), ("𐍈", "other"), ("\ue000", None), ("Ġ", "latin"),
    ],
)  # fmt: skip
def test_scripts_of_characters(character: str, script: str | None) -> None:
    assert script_of(character) == script


def test_all_letters_of_a_token_must_be_of_the_scripts() -> None:
    assert is_of("naïve", {"latin"})
    assert is_of("▁2024!", {"latin"})
    assert not is_of("Aя", {"latin"})
    assert is_of("Aя", {"latin", "cyrillic"})
    assert not is_of("[unused42]", {"latin"})


def test_byte_level_tokens_are_read_as_text() -> None:
    def token(data: bytes) -> str:
        return "".join(byte_letters()[byte] for byte in data)

    assert byte_level_text(token(" сло".encode())) == " сло"
    assert byte_level_text(token("中".encode()[:2])) is None
    assert byte_level_text("<|中|>") == "<|中|>"


@pytest.mark.parametrize("name", ["minilm", "gpt2", "llama2", "unigram"])
def test_tokens_of_a_script_are_told_by_their_letters(name: str) -> None:
    file = TokenizerFile.read(content(name))
    latin, cyrillic = (file.of_scripts({script}) for script in ("latin", "cyrillic"))
    assert 50 < len(latin) < len(file.tokens)
    shared = [file.tokens[number] for number in latin & cyrillic]
    # a token may end in the middle of a character, of whatever script
    whole = [token for token in shared if byte_level_text(token) is not None]
    assert not any("a" <= c <= "z" for token in whole for c in token)
    assert not file.of_scripts(())


def test_unknown_scripts() -> None:
    assert check_scripts(["Latin", "HAN"]) == {"latin", "han"}
    with pytest.raises(UsageError, match="unknown script 'klingon'") as caught:
        check_scripts(["latin", "klingon"])
    assert "cyrillic" in caught.value.hint

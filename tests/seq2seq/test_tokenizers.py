"""Tokenizers of encoder-decoders without a tokenizer.json: proven id by id, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from edgekit.converters.sources.tokenizer_files import check_tokenizer_files, prove_conversion

from edgekit.errors import UnsupportedError
from tests.sources.test_slow_tokenizers import converted, save_byte_pairs, save_sentencepiece

T5 = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}


@pytest.mark.heavy
def test_barts_byte_pairs(tmp_path: Path) -> None:
    folder = save_byte_pairs(tmp_path / "model")
    assert "independent reading" in prove_conversion(folder, "bart", converted(folder, "bart"))[0]


@pytest.mark.heavy
def test_t5s_pieces_end_with_its_end_and_begin_with_nothing(tmp_path: Path) -> None:
    folder = save_sentencepiece(tmp_path / "model", "spiece.model", **T5)
    assert "independent reading" in prove_conversion(folder, "t5", converted(folder, "t5"))[0]


@pytest.mark.heavy
def test_pegasus_without_a_fast_form_is_refused(tmp_path: Path) -> None:
    folder = save_sentencepiece(tmp_path / "model", "spiece.model", **T5)
    tokenizer = converted(folder, "t5")
    with pytest.raises(UnsupportedError, match="could not be proven"):
        prove_conversion(folder, "pegasus", tokenizer)


def test_two_sentencepiece_models_are_refused(tmp_path: Path) -> None:
    for name in ("source.spm", "target.spm"):
        (tmp_path / name).write_bytes(b"\n")
    (tmp_path / "vocab.json").write_text('{"<unk>": 0}', encoding="utf-8")
    with pytest.raises(UnsupportedError, match="two sentencepiece models"):
        check_tokenizer_files(tmp_path)

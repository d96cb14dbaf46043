from pathlib import Path

import pytest

from edgekit.errors import CasesError
from edgekit.tasks import Example
from edgekit.tasks.cases import read_cases


def case(tmp_path: Path, name: str, content: bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.tsv", b"", "empty"),
        ("a.tsv", b"  \n \n", "empty"),
        ("a.tsv", b"text\tlabel\n", "no rows"),
        ("a.tsv", b"text\n\xff\xfe\n", "UTF-8"),
        ("a.tsv", b"content\tlabel\nhello\t1\n", "no column of text"),
        ("a.jsonl", b'{"text": "a"}\n{"text": \n', "line 2"),
        ("a.jsonl", b"[1, 2]\n", "an object is expected"),
        ("a.jsonl", b'{"body": "a"}\n', "no column of text"),
        ("a.jsonl", b'{"text": 5}\n', "no column of text"),
        ("a.jsonl", b'{"text": "cut \\ud83d"}\n', "surrogate"),
    ],
)
def test_bad_files(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    with pytest.raises(CasesError, match=words) as caught:
        read_cases(case(tmp_path, name, content))
    assert caught.value.exit_code == 3


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(CasesError, match="does not exist"):
        read_cases(tmp_path / "none.tsv")
    with pytest.raises(CasesError, match="folder"):
        read_cases(tmp_path)


def test_tsv_keeps_open_quotes_and_strips_ends(tmp_path: Path) -> None:
    path = case(tmp_path, "a.tsv", b'sentence\tlabel\n"never closed \t1\nb\t0\n')
    assert read_cases(path) == [Example('"never closed', None, "1"), Example("b", None, "0")]


def test_line_separators_of_unicode_are_text(tmp_path: Path) -> None:
    path = case(tmp_path, "a.jsonl", '{"text": "a\u2028b\u0085c"}\n'.encode())
    assert read_cases(path) == [Example("a\u2028b\u0085c")]


def test_pairs_and_byte_order_mark(tmp_path: Path) -> None:
    path = case(tmp_path, "a.jsonl", b'\xef\xbb\xbf{"sentence1": "a", "sentence2": "b"}\n')
    assert read_cases(path) == [Example("a", "b")]

"""Names of the two .onnx files of an encoder-decoder."""

from __future__ import annotations

from pathlib import Path

ENCODE, DECODE = ".encode.onnx", ".decode.onnx"


def is_entry(path: Path) -> bool:
    """Whether a file is one of the two."""
    return path.name.endswith((ENCODE, DECODE))


def encode_path(path: Path) -> Path:
    """The encoder's file: of a decoder's, of itself, or of ``<stem>.onnx``."""
    stem = path.name.removesuffix(ENCODE).removesuffix(DECODE).removesuffix(".onnx")
    return path.with_name(stem + ENCODE)


def decode_path(path: Path) -> Path:
    """The decoder's file beside an encoder's."""
    return path.with_name(path.name.removesuffix(ENCODE) + DECODE)

"""The two .onnx files of an encoder-decoder, read as one."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekit.audit.onnx_file import OnnxFile
from edgekit.audit.records import StoredTensor
from edgekit.errors import UsageError
from edgekit.runtime.onnx_entries import decode_path, encode_path, is_entry

#: begins the names of the decoder's constants
DECODE = "decode/"


def decode_name(name: str) -> str:
    """The name of a constant of the decoder's file among those of both."""
    return DECODE + name


class OnnxEntries(OnnxFile):
    """An encoder's file with its decoder's beside it.

    Args:
      path: of either.
    Raises:
      ArtifactError: one of them is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        if not is_entry(path):
            raise UsageError(f"'{path}' is no part of an encoder-decoder.", "")
        first = encode_path(path)
        super().__init__(first)
        self._decode = OnnxFile(decode_path(first))
        self._initializers = {
            **self._initializers,
            **{decode_name(name): t for name, t in self._decode._initializers.items()},
        }

    def operators(self) -> dict[str, int]:
        """See ``OnnxFile.operators``: of both."""
        found, more = super().operators(), self._decode.operators()
        return {name: found.get(name, 0) + more.get(name, 0) for name in sorted({*found, *more})}

    def signatures(self) -> dict[str, dict[str, list[str]]]:
        """Inputs and outputs of both entries."""
        return {
            "encode": super().signatures()["main"],
            "decode": self._decode.signatures()["main"],
        }

    def fingerprint(self, stored: list[StoredTensor]) -> str:
        """sha256 of the fingerprints of both."""
        own, others = self._split(stored)
        digests = [super().fingerprint(own), self._decode.fingerprint(others)]
        return hashlib.sha256("".join(digests).encode()).hexdigest()

    def read_names(self) -> set[str]:
        """See ``OnnxFile.read_names``."""
        return super().read_names() | {decode_name(n) for n in self._decode.read_names()}

    def _own_initializers(self) -> dict[str, Any]:
        return {n: t for n, t in self._initializers.items() if not n.startswith(DECODE)}

    @staticmethod
    def _split(stored: list[StoredTensor]) -> tuple[list[StoredTensor], list[StoredTensor]]:
        """Tensors of the encoder's file, and those of the decoder's with their names there."""
        own, others = [], []
        for tensor in stored:
            names = {part: str(name) for part, name in tensor.where.items()}
            if any(name.startswith(DECODE) for name in names.values()):
                cut = {part: name.removeprefix(DECODE) for part, name in names.items()}
                others.append(replace(tensor, where=cut))
            else:
                own.append(tensor)
        return own, others

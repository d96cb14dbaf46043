"""How tokens become text again, as steps that a small reader in an app can follow."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgekit.errors import ArtifactError, UnsupportedError, first_line
from edgekit.manifest import TOKENIZER_NAME

Step = dict[str, Any]


def read_decoder(folder: Path) -> list[Step]:
    """The steps of tokenizer.json's decoder.

    They work on the list of tokens, special ones left out; what they leave is joined.

    Raises:
      ArtifactError: tokenizer.json cannot be read.
      UnsupportedError: it does something that the description cannot say.
    """
    path = folder / TOKENIZER_NAME
    try:
        return list(_decoders(json.loads(path.read_text(encoding="utf-8")).get("decoder")))
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(
            f"'{path}' cannot be read ({type(error).__name__}: {first_line(error)}).",
            "export again.",
        ) from error


def _decoders(data: Mapping[str, Any] | None) -> Iterator[Step]:
    kind = "nothing" if data is None else data["type"]
    if data is not None and kind == "Sequence":
        for part in data["decoders"]:
            yield from _decoders(part)
    elif data is not None and kind == "Replace" and "String" in data["pattern"]:
        yield {"op": "replace", "from": data["pattern"]["String"], "to": data["content"]}
    elif kind == "ByteFallback":
        yield {"op": "byte_fallback"}
    elif kind == "Fuse":
        yield {"op": "fuse"}
    elif data is not None and kind == "Strip":
        yield {"op": "strip", "text": data["content"], "start": data["start"], "stop": data["stop"]}
    elif kind == "ByteLevel":
        yield {"op": "bytes"}
    elif data is not None and kind == "Metaspace":
        scheme = data.get("prepend_scheme") or "always"
        yield {"op": "metaspace", "text": data["replacement"], "drop_first": scheme != "never"}
    else:
        raise UnsupportedError(
            f"the tokenizer's decoder is {kind}, which the app-side tokenizers do not know.",
            "byte-level, byte-fallback and Metaspace tokenizers can be bundled for generation.",
        )

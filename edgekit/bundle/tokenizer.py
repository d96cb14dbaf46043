"""tokenizer.json as data that a small reader in an app can follow step by step.

The tokenizers library describes a pipeline of nested components with many spellings of the same
thing. Here each becomes a flat list of named steps (docs/bundle.md); what such a list cannot say
exactly is refused, never approximated.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgekit.bundle.classes import classes_for
from edgekit.errors import ArtifactError, UnsupportedError, first_line
from edgekit.manifest import TOKENIZER_NAME

VOCABULARY_NAME = "vocab.json"

Step = dict[str, Any]

#: normalizers without settings -> name of the step
_PLAIN_NORMALIZERS = {
    "NFC": "nfc",
    "NFD": "nfd",
    "NFKC": "nfkc",
    "NFKD": "nfkd",
    "Lowercase": "lower",
    "StripAccents": "strip_accents",
}
_BEHAVIORS = {
    "Isolated": "isolated",
    "Removed": "removed",
    "MergedWithPrevious": "merged_with_previous",
    "MergedWithNext": "merged_with_next",
    "Contiguous": "contiguous",
}
#: of an added token: what decides where it is found in a text
_FLAGS = ("lstrip", "rstrip", "single_word", "normalized", "special")


def read_tokenizer(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The tokenizer of an exported folder, as ``contract.json`` and ``vocab.json`` hold it.

    Returns:
      its description (steps, special tokens, templates), and its vocabulary: ``tokens`` by id,
      None where an id is unused; for BPE ``merges``, flat ids of (left, right, merged) in
      order of rank; ``classes`` where a step needs them (``edgekit.bundle.classes``).
    Raises:
      ArtifactError: tokenizer.json cannot be read.
      UnsupportedError: it does something that the description cannot say.
    """
    path = folder / TOKENIZER_NAME
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        model = data["model"]
        kind = model["type"]
        if kind == "WordPiece":
            own = _wordpiece(model)
        elif kind == "BPE":
            own = _bpe(model)
        else:
            raise _refusal(f"a {kind} model")
        added = [_added(token) for token in data.get("added_tokens", [])]
        tokens = _tokens(model["vocab"], added)
        vocabulary: dict[str, Any] = {"tokens": tokens}
        if kind == "BPE":
            vocabulary["merges"] = list(_merges(model))
        normalize = list(_normalizers(data.get("normalizer")))
        split = list(_splitters(data.get("pre_tokenizer")))
        if classes := classes_for([*normalize, *split]):
            vocabulary["classes"] = classes
        single, pair = _templates(path)
        description = {
            "kind": own.pop("kind"),
            "file": VOCABULARY_NAME,
            "added": added,
            "normalize": normalize,
            "split": split,
            **own,
            "single": single,
            "pair": pair,
        }
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(
            f"'{path}' cannot be read ({type(error).__name__}: {first_line(error)}).",
            "export again.",
        ) from error
    return description, vocabulary


def _refusal(what: str) -> UnsupportedError:
    return UnsupportedError(
        f"the tokenizer has {what}, which the app-side tokenizers do not know.",
        "WordPiece and BPE tokenizers can be bundled; embed tokenizer.json with the tokenizers "
        "library instead.",
    )


def _wordpiece(model: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "kind": "wordpiece",
        "unk_id": model["vocab"][model["unk_token"]],
        "continuing": model["continuing_subword_prefix"],
        "max_word": model["max_input_chars_per_word"],
    }


def _bpe(model: Mapping[str, Any]) -> dict[str, Any]:
    if model.get("dropout"):
        raise _refusal("random merges (dropout)")
    unknown = model.get("unk_token")
    return {
        "kind": "bpe",
        "unk_id": None if unknown is None else model["vocab"][unknown],
        "continuing": model.get("continuing_subword_prefix") or "",
        "end_of_word": model.get("end_of_word_suffix") or "",
        "byte_fallback": bool(model.get("byte_fallback")),
        "fuse_unk": bool(model.get("fuse_unk")),
        "ignore_merges": bool(model.get("ignore_merges")),
    }


def _merges(model: Mapping[str, Any]) -> Iterator[int]:
    """Flat (left, right, merged) ids; older files write a merge as "left right"."""
    vocabulary, prefix = model["vocab"], model.get("continuing_subword_prefix") or ""
    for merge in model["merges"]:
        left, right = merge.split(" ") if isinstance(merge, str) else merge
        yield vocabulary[left]
        yield vocabulary[right]
        yield vocabulary[left + right.removeprefix(prefix)]


def _added(token: Mapping[str, Any]) -> dict[str, Any]:
    flags = {name: bool(token[name]) for name in _FLAGS}
    return {"id": int(token["id"]), "text": str(token["content"]), **flags}


def _tokens(vocabulary: Mapping[str, int], added: Sequence[Mapping[str, Any]]) -> list[str | None]:
    ids = {number: text for text, number in vocabulary.items()}
    ids |= {token["id"]: token["text"] for token in added}
    if min(ids) < 0:
        raise ValueError("an id is negative")
    return [ids.get(number) for number in range(max(ids) + 1)]


def _normalizers(data: Mapping[str, Any] | None) -> Iterator[Step]:
    if data is None:
        return
    kind = data["type"]
    if kind == "Sequence":
        for part in data["normalizers"]:
            yield from _normalizers(part)
    elif kind == "BertNormalizer":
        lower, strip = bool(data["lowercase"]), data["strip_accents"]
        yield {
            "op": "bert",
            "clean": bool(data["clean_text"]),
            "cjk": bool(data["handle_chinese_chars"]),
            "strip_accents": lower if strip is None else bool(strip),
            "lower": lower,
        }
    elif kind in _PLAIN_NORMALIZERS:
        yield {"op": _PLAIN_NORMALIZERS[kind]}
    elif kind == "Prepend":
        yield {"op": "prepend", "text": data["prepend"]}
    elif kind == "Replace" and "String" in data["pattern"]:
        yield {"op": "replace", "from": data["pattern"]["String"], "to": data["content"]}
    elif kind == "Strip":
        yield {"op": "strip", "left": bool(data["strip_left"]), "right": bool(data["strip_right"])}
    else:
        raise _refusal(f"the normalizer {kind}")


def _splitters(data: Mapping[str, Any] | None) -> Iterator[Step]:
    if data is None:
        return
    kind = data["type"]
    if kind == "Sequence":
        for part in data["pretokenizers"]:
            yield from _splitters(part)
    elif kind == "BertPreTokenizer":
        yield {"op": "bert"}
    elif kind == "ByteLevel":
        yield {
            "op": "bytes",
            "prefix_space": bool(data["add_prefix_space"]),
            "regex": bool(data.get("use_regex", True)),
        }
    elif kind == "Split":
        pattern = data["pattern"]
        yield {
            "op": "regex",
            "pattern": pattern["Regex"] if "Regex" in pattern else _escaped(pattern["String"]),
            "behavior": _behavior(data["behavior"]),
            "invert": bool(data["invert"]),
        }
    elif kind == "Metaspace":
        scheme = data.get("prepend_scheme") or (
            "always" if data.get("add_prefix_space", True) else "never"
        )
        yield {
            "op": "metaspace",
            "text": data["replacement"],
            "prefix": scheme,
            "split": bool(data.get("split", True)),
        }
    elif kind == "Digits":
        yield {"op": "digits", "individual": bool(data["individual_digits"])}
    elif kind == "Whitespace":
        yield {"op": "whitespace"}
    elif kind == "Punctuation":
        yield {"op": "punctuation", "behavior": _behavior(data["behavior"])}
    else:
        raise _refusal(f"the pre-tokenizer {kind}")


def _behavior(name: str) -> str:
    if name not in _BEHAVIORS:
        raise _refusal(f"the split behaviour {name}")
    return _BEHAVIORS[name]


def _escaped(text: str) -> str:
    """A plain text as a pattern that Java, JavaScript and Swift read alike."""
    return "".join(f"\\{c}" if c in r"\^$.|?*+()[]{}" else c for c in text)


def _templates(path: Path) -> tuple[list[Step], list[Step]]:
    """Where the special tokens go, read off from what the tokenizer itself does.

    Post-processors have four spellings; their outcome has one.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return _template(tokenizer.encode("a")), _template(tokenizer.encode("a", "a"))


def _template(encoding: Any) -> list[Step]:
    found: list[Step] = []
    for number, kind, sequence in zip(
        encoding.ids, encoding.type_ids, encoding.sequence_ids, strict=True
    ):
        if sequence is None:
            found.append({"id": number, "type": kind})
        elif {"text": "ab"[sequence], "type": kind} not in found[-1:]:
            found.append({"text": "ab"[sequence], "type": kind})
    names = [step["text"] for step in found if "text" in step]
    if len(names) != len(set(names)) or not names:
        raise _refusal("special tokens inside its texts")
    return found

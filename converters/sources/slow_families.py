"""Which independent reading a folder's slow tokenizer has, special tokens included."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.converters.sources import slow_readings as slow

from edgekit.errors import CheckpointError, UnsupportedError

SENTENCEPIECE_NAMES = (
    "sentencepiece.bpe.model", "spiece.model", "spm.model", "sentencepiece.model",
)  # fmt: skip

SAVE_FAST = (
    "save its fast form (tokenizer.json) where it was made: "
    "AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR), and give that folder."
)


@dataclass(frozen=True, slots=True)
class _Family:
    """How a tokenizer class reads: files, special tokens, and where they go.

    Attributes:
      kind: "wordpiece", "bytes", or which ids sentencepiece's become.
      cls, sep, unknown: special tokens, unless tokenizer_config.json names others; ``cls`` is empty
        where nothing comes before a text.
      doubled: two separators between the texts of a pair, all token types 0 (RoBERTa).
      cls_type: token type of the first token.
    """

    kind: str
    cls: str = "[CLS]"
    sep: str = "[SEP]"
    unknown: str = "[UNK]"
    doubled: bool = False
    cls_type: int = 0


_BERT = _Family("wordpiece")
_FAMILIES = {
    **dict.fromkeys(
        ("BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "MobileBertTokenizer",
         "SqueezeBertTokenizer", "ConvBertTokenizer", "ErnieTokenizer"),
        _BERT,
    ),
    "FunnelTokenizer": _Family("wordpiece", "<cls>", "<sep>", "<unk>", cls_type=2),
    "MPNetTokenizer": _Family("wordpiece", "<s>", "</s>", "[UNK]", doubled=True),
    "RobertaTokenizer": _Family("bytes", "<s>", "</s>", "<unk>", doubled=True),
    "XLMRobertaTokenizer": _Family("xlm-roberta", "<s>", "</s>", "<unk>", doubled=True),
    "CamembertTokenizer": _Family("camembert", "<s>", "</s>", "<unk>", doubled=True),
    "AlbertTokenizer": _Family("albert", unknown="<unk>"),
    "DebertaV2Tokenizer": _Family("plain"),
    "BartTokenizer": _Family("bytes", "<s>", "</s>", "<unk>", doubled=True),
    "T5Tokenizer": _Family("t5", "", "</s>", "<unk>"),
}  # fmt: skip
#: model type -> class, where tokenizer_config.json names none
_CLASS_OF = {
    "bert": "BertTokenizer", "distilbert": "DistilBertTokenizer", "electra": "ElectraTokenizer",
    "mobilebert": "MobileBertTokenizer", "squeezebert": "SqueezeBertTokenizer",
    "convbert": "ConvBertTokenizer", "ernie": "BertTokenizer", "funnel": "FunnelTokenizer",
    "mpnet": "MPNetTokenizer", "roberta": "RobertaTokenizer", "albert": "AlbertTokenizer",
    "xlm-roberta": "XLMRobertaTokenizer", "camembert": "CamembertTokenizer",
    "deberta-v2": "DebertaV2Tokenizer", "bart": "BartTokenizer", "t5": "T5Tokenizer",
}  # fmt: skip
#: sentencepiece's id -> the model's: fairseq put its own special tokens first
_FAIRSEQ_SHIFT = {"xlm-roberta": 1, "camembert": 4}
_FAIRSEQ_UNKNOWN = 3

#: text, second text or None -> ids, token types
PairReading = Callable[[str, str | None], tuple[list[int], list[int]]]


def independent_reading(folder: Path, model_type: str) -> PairReading:
    """The slow reading of a folder's files, special tokens included."""
    settings = _settings(folder)
    named = str(settings.get("tokenizer_class") or "").removesuffix("Fast")
    kind = named if named not in ("", "PreTrainedTokenizer") else _CLASS_OF.get(model_type, "")
    family = _FAMILIES.get(kind)
    if family is None:
        raise UnsupportedError(
            f"the tokenizer of '{folder}' ({kind or model_type}) has no fast form "
            "(tokenizer.json), and a conversion could not be proven.",
            SAVE_FAST,
        )
    _refuse_added_words(folder, settings)
    # T5 ends a text with what it calls its end, and begins it with nothing
    roles = ("", "eos", "unk") if family.kind == "t5" else ("cls", "sep", "unk")
    special = [_content(settings.get(f"{role}_token")) for role in roles]
    cls, sep, unknown = (
        found or default
        for found, default in zip(special, (family.cls, family.sep, family.unknown), strict=True)
    )
    read, number = _reading(folder, family, unknown, settings)
    first, last = [number(cls)] if cls else [], number(sep)
    alike = family.doubled or not first

    def encode(text: str, pair: str | None) -> tuple[list[int], list[int]]:
        ids = [*first, *read(text), last]
        types = [*[family.cls_type] * len(first), *[0] * (len(ids) - len(first))]
        if pair is not None:
            second = [*([last] if family.doubled else []), *read(pair), last]
            ids += second
            types += [0 if alike else 1] * len(second)
        return ids, types

    return encode


def _reading(
    folder: Path, family: _Family, unknown: str, settings: Mapping[str, Any]
) -> tuple[slow.Reading, Callable[[str], int]]:
    """Text -> ids, and special token -> id."""
    needed = {"wordpiece": "vocab.txt", "bytes": "merges.txt"}
    files = slow_files(folder)
    path = next(
        (f for f in files if f.name == needed.get(family.kind, f.name) and _fits(f, family)), None
    )
    if path is None:
        names = ", ".join(f.name for f in files)
        raise UnsupportedError(
            f"the tokenizer of '{folder}' is of another kind than its files ({names}).", SAVE_FAST
        )
    if family.kind in needed:
        vocabulary = slow.read_vocabulary(
            path if family.kind == "wordpiece" else folder / "vocab.json"
        )
        if unknown not in vocabulary:
            raise CheckpointError(
                f"the vocabulary of '{folder}' lacks its unknown token '{unknown}'.",
                "copy the folder anew: vocabulary and tokenizer_config.json do not fit.",
            )
        if family.kind == "wordpiece":
            read = slow.wordpiece(vocabulary, unknown, settings)
        else:
            read = slow.byte_pairs(vocabulary, path, unknown, settings)
        return read, lambda token: vocabulary.get(token, -1)
    return _sentencepiece_reading(path, family, settings)


def _sentencepiece_reading(
    path: Path, family: _Family, settings: Mapping[str, Any]
) -> tuple[slow.Reading, Callable[[str], int]]:
    processor = slow.sentence_pieces(path)
    shift = _FAIRSEQ_SHIFT.get(family.kind, 0)
    fairseq = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3} if family.kind == "xlm-roberta" else {}

    def number(piece: str) -> int:
        if piece in fairseq:
            return fairseq[piece]
        index = int(processor.piece_to_id(piece))
        if shift and index == processor.unk_id():
            return _FAIRSEQ_UNKNOWN
        return index + shift

    prepare: Callable[[str], str] = str
    if family.kind == "albert":
        prepare = slow.albert_text(settings)
    elif family.kind == "plain" and settings.get("do_lower_case"):
        prepare = str.lower

    def read(text: str) -> list[int]:
        text = prepare(text)
        if family.kind == "albert":
            return [number(piece) for piece in slow.albert_pieces(processor, text)]
        return [number(piece) for piece in processor.encode(text, out_type=str)]

    return read, number


def _fits(path: Path, family: _Family) -> bool:
    is_sentencepiece = family.kind not in ("wordpiece", "bytes")
    return (path.name in SENTENCEPIECE_NAMES) == is_sentencepiece


def slow_files(folder: Path) -> list[Path]:
    """The slow tokenizers' files of a folder: sentencepiece's, vocab.txt, merges.txt."""
    found = [folder / name for name in SENTENCEPIECE_NAMES if (folder / name).is_file()]
    if (folder / "vocab.txt").is_file():
        found.append(folder / "vocab.txt")
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        found.append(folder / "merges.txt")
    return found


def _settings(folder: Path) -> dict[str, Any]:
    """tokenizer_config.json over special_tokens_map.json; both may be absent."""
    settings: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        path = folder / name
        if path.is_file():
            try:
                data = json.loads(path.read_text(encoding="utf-8"))
                settings |= data
            except (OSError, ValueError, TypeError, RecursionError) as error:
                raise CheckpointError(
                    f"'{path}' cannot be read ({error}).", "copy it anew."
                ) from error
    return settings


def _refuse_added_words(folder: Path, settings: Mapping[str, Any]) -> None:
    """Added words are cut out of a text before anything else; the slow reading knows none."""
    words: list[str] = []
    path = folder / "added_tokens.json"
    if path.is_file():
        special = {_content(v) for k, v in settings.items() if k.endswith("_token")}
        words = [word for word in slow.read_vocabulary(path) if word not in special]
    decoder = settings.get("added_tokens_decoder")
    if isinstance(decoder, dict):
        entries = [entry for entry in decoder.values() if isinstance(entry, dict)]
        words = [str(e.get("content")) for e in entries if not e.get("special")]
    if words:
        raise UnsupportedError(
            f"the tokenizer of '{folder}' has no fast form (tokenizer.json) and words were added "
            f"to it ('{words[0]}'), so that a conversion could not be proven.",
            SAVE_FAST,
        )


def _content(token: Any) -> str:
    """A special token as text: a string, or an object with its content."""
    return str(token.get("content") or "") if isinstance(token, dict) else str(token or "")

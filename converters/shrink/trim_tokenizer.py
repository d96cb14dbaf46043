"""A tokenizer.json, and the files beside it, with fewer tokens under new ids."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.converters.shrink.scripts import byte_level_text, is_of
from edgekit.converters.shrink.vocabularies import Numbers, Vocabulary, vocabulary_of

from edgekit.errors import CheckpointError, UnsupportedError


@dataclass(frozen=True, slots=True)
class TokenizerFile:
    """What a tokenizer.json says of ids.

    Attributes:
      data: all of it.
      vocabulary: its model.
      tokens: every token by its id, added ones too.
    """

    data: Mapping[str, Any]
    vocabulary: Vocabulary
    tokens: Mapping[int, str]

    @staticmethod
    def read(text: str) -> TokenizerFile:
        """From the file's content.

        Raises:
          UnsupportedError: its vocabulary is of a kind that cannot be cut.
        """
        data = json.loads(text)
        vocabulary = vocabulary_of(data["model"])
        tokens = {number: token for token, number in vocabulary.ids.items()}
        tokens |= {int(added["id"]): str(added["content"]) for added in data["added_tokens"]}
        return TokenizerFile(data, vocabulary, tokens)

    def always(self) -> set[int]:
        """Ids that are kept whatever the text is: added tokens, characters, what is put around.

        Raises:
          CheckpointError: the post-processor puts a token around texts that does not exist.
        """
        added = {int(token["id"]) for token in self.data["added_tokens"]}
        around = set()
        for token, number in _around(self.data.get("post_processor")):
            if self.tokens.get(number) != token:
                raise CheckpointError(
                    f"its tokenizer puts '{token}' (id {number}) around texts, and its vocabulary "
                    "has no such token.",
                    "save the tokenizer again with all its special tokens.",
                )
            around.add(number)
        return self.vocabulary.always() | added | around

    def of_scripts(self, scripts: Collection[str]) -> set[int]:
        """Ids of tokens whose letters are all of these scripts.

        In a byte-level vocabulary a token may be a part of a character; it is taken too, as it may
        be of any script.
        """
        byte_level = _mentions(self.data, "ByteLevel")
        found = set()
        for token, number in self.vocabulary.ids.items():
            bare = self.vocabulary.bare(token)
            text = byte_level_text(bare) if byte_level else bare
            if text is None or is_of(text, scripts):
                found.add(number)
        return found if scripts else set()

    def cut(self, numbers: Numbers) -> str:
        """The file's content with kept tokens alone.

        Raises:
          UnsupportedError: the library does not read the ids back as they were meant.
        """
        added = [{**t, "id": numbers[t["id"]]} for t in self.data["added_tokens"]]
        data = {
            **self.data,
            "added_tokens": added,
            "post_processor": _renumbered(self.data.get("post_processor"), numbers),
            "padding": _with_pad(self.data.get("padding"), numbers),
            "model": self.vocabulary.cut(numbers),
        }
        text = json.dumps(data, ensure_ascii=False, indent=1)
        self.check(text, numbers)
        return text

    def check(self, text: str, numbers: Numbers) -> None:
        """Hold the library's reading of a cut tokenizer against the ids that it should have.

        Raises:
          UnsupportedError: they differ.
        """
        from tokenizers import Tokenizer

        want = {token: numbers[old] for old, token in self.tokens.items() if old in numbers}
        if Tokenizer.from_str(text).get_vocab(with_added_tokens=True) != want:
            raise UnsupportedError(
                "its tokenizer numbers tokens in a way of its own once some are gone.",
                "save it as a plain tokenizer.json (tokenizer_class PreTrainedTokenizerFast).",
            )

    def files(self, folder: Path, numbers: Numbers) -> dict[str, str]:
        """All files of the tokenizer by name, of those that a folder has.

        Args:
          folder: of the source's tokenizer.
          numbers: new id by old one.
        """
        text = self.cut(numbers)
        found = {"tokenizer.json": text}
        model = json.loads(text)["model"]
        for name, beside in (
            ("tokenizer_config.json", _config), ("special_tokens_map.json", _same),
            ("added_tokens.json", _added), ("vocab.json", _vocabulary), ("vocab.txt", _lines),
            ("merges.txt", _merges),
        ):  # fmt: skip
            path = folder / name
            if path.is_file():
                found[name] = beside(path.read_text(encoding="utf-8"), model, numbers)
        return found


def dropped_files(folder: Path) -> list[str]:
    """Slow forms of a tokenizer, which a cut one is not written in."""
    return sorted(p.name for p in folder.iterdir() if p.suffix in (".model", ".spm"))


def numbered(kept: Iterable[int]) -> dict[int, int]:
    """New ids, without gaps, in the old order."""
    return {old: new for new, old in enumerate(sorted(kept))}


def _around(processor: Any) -> Iterator[tuple[str, int]]:
    """Token and id of all that a post-processor puts around a text."""
    for part in _processors(processor):
        for token in part.get("special_tokens", {}).values():  # TemplateProcessing
            yield from zip(token["tokens"], token["ids"], strict=True)
        for name in ("sep", "cls"):  # BertProcessing, RobertaProcessing
            if name in part:
                yield part[name][0], part[name][1]


def _renumbered(processor: Any, numbers: Numbers) -> Any:
    if processor is None:
        return None
    copy = json.loads(json.dumps(processor))
    for part in _processors(copy):
        for token in part.get("special_tokens", {}).values():
            token["ids"] = [numbers[number] for number in token["ids"]]
        for name in ("sep", "cls"):
            if name in part:
                part[name][1] = numbers[part[name][1]]
    return copy


def _processors(processor: Any) -> Iterator[Any]:
    if processor is None:
        return
    yield processor
    for part in processor.get("processors", ()):  # Sequence
        yield from _processors(part)


def _with_pad(padding: Any, numbers: Numbers) -> Any:
    return padding and {**padding, "pad_id": numbers.get(padding["pad_id"], 0)}


def _mentions(data: Any, kind: str) -> bool:
    """Whether a part of that type is anywhere in a tokenizer.json's settings."""
    if isinstance(data, dict):
        return data.get("type") == kind or any(_mentions(value, kind) for value in data.values())
    return isinstance(data, list) and any(_mentions(value, kind) for value in data)


def _config(text: str, model: Any, numbers: Numbers) -> str:
    values = json.loads(text)
    if "added_tokens_decoder" in values:
        values["added_tokens_decoder"] = {
            str(numbers[int(old)]): token
            for old, token in values["added_tokens_decoder"].items()
            if int(old) in numbers
        }
    return json.dumps(values, ensure_ascii=False, indent=2)


def _same(text: str, model: Any, numbers: Numbers) -> str:
    return text


def _added(text: str, model: Any, numbers: Numbers) -> str:
    return json.dumps({t: numbers[old] for t, old in json.loads(text).items() if old in numbers})


def _vocabulary(text: str, model: Any, numbers: Numbers) -> str:
    return json.dumps(_ids(model), ensure_ascii=False)


def _lines(text: str, model: Any, numbers: Numbers) -> str:
    ids = _ids(model)
    return "".join(f"{token}\n" for token in sorted(ids, key=lambda token: ids[token]))


def _merges(text: str, model: Any, numbers: Numbers) -> str:
    merges = model.get("merges", ())
    return "#version: 0.2\n" + "".join(
        f"{merge if isinstance(merge, str) else ' '.join(merge)}\n" for merge in merges
    )


def _ids(model: Any) -> dict[str, int]:
    vocab = model["vocab"]
    return vocab if isinstance(vocab, dict) else {piece: i for i, (piece, _) in enumerate(vocab)}

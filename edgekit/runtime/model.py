"""A model's methods, task by task: numpy, one runtime and tokenizers are all that they need."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from edgekit.contract import Contract
from edgekit.errors import UsageError
from edgekit.generation.methods import GeneratingMethods
from edgekit.runtime.rows import Row, batch_rows, row_length
from edgekit.runtime.session import Session
from edgekit.runtime.tokenizer import TextTokenizer
from edgekit.tasks import Example, get_task
from edgekit.tasks.base import Floats
from edgekit.tasks.image_cases import Image, image_example
from edgekit.tasks.token_classification import Aggregation, word_labels

Text = str | tuple[str, str]

#: tokens by which the windows of a long context overlap; as in transformers' example scripts
WINDOW_OVERLAP = 128


class Model(GeneratingMethods):
    """A model ready to run: an exported file, or a source behind the same methods.

    Made by ``edgekit.load`` (and ``edgekit.converters.api.open_source``). Of language models, the
    methods are those of ``GeneratingMethods``.
    """

    def __init__(
        self, name: str, contract: Contract, tokenizer: TextTokenizer | None, session: Session
    ) -> None:
        self.name, self.contract = name, contract
        self._task = get_task(contract.task)
        self._text = tokenizer
        self._session = session

    @property
    def session(self) -> Session:
        """What it runs on."""
        return self._session

    @property
    def tokenizer(self) -> TextTokenizer:
        """How it reads text.

        Raises:
          UsageError: it takes none.
        """
        return self._tokenizer

    @property
    def own_method(self) -> str:
        """The method that serves its task."""
        return METHODS[self.contract.task]

    @property
    def _tokenizer(self) -> TextTokenizer:
        if self._text is None:
            raise UsageError(
                f"'{self.name}' takes no text.",
                f"its method is .{self.own_method}().",
            )
        return self._text

    def predict(self, inputs: Mapping[str, Any], batch_size: int = 16) -> dict[str, Floats]:
        """Arrays in, arrays out, of a model that takes arrays.

        Args:
          inputs: [n, ...] by the contract's input names.
          batch_size: examples per call of the runtime.
        Returns:
          float32 [n, ...] by output name.
        Raises:
          UsageError: the folder takes something else.
          CasesError: an input is missing, or of another shape or type.
        """
        outputs = self.outputs(self._array_rows(inputs, "predict"), batch_size)
        return {name: np.stack([o[name] for o in outputs]) for name in self.contract.output_names}

    def classify_arrays(
        self, inputs: Mapping[str, Any], batch_size: int = 16
    ) -> list[dict[str, Any]]:
        """One ``{"label", "score", "scores"}`` per example of a classifier of arrays.

        Args:
          inputs, batch_size: as for ``predict``.
        Raises:
          UsageError: the folder holds another task.
          CasesError: an input is missing, or of another shape or type.
        """
        self._expect("array-classification", "classify_arrays")
        outputs = self.outputs(self._array_rows(inputs, "classify_arrays"), batch_size)
        return [self._task.read(o, None, self.contract) for o in outputs]

    def classify_images(
        self, images: Sequence[Image], batch_size: int = 16
    ) -> list[dict[str, Any]]:
        """One ``{"label", "score", "scores"}`` per picture.

        Args:
          images: paths of picture files, or pixels, uint8 [height, width, 3] in the order red,
            green, blue; any size.
          batch_size: pictures per call of the runtime.
        Raises:
          UsageError: the folder holds another task, or something else was given.
          CasesError: a file is missing, no picture or truncated.
          MissingExtraError: pillow is not installed.
        """
        self._expect("image-classification", "classify_images")
        path = isinstance(images, str | os.PathLike)
        _require(not path and not _is_picture(images), "a list of pictures", '["a.png"]')
        found = []
        size = max(1, batch_size)
        for start in range(0, len(images), size):
            # no more at once: a phone camera's picture takes 36 MB before it is resized
            examples = [
                image_example(image, f"picture {start + i}")
                for i, image in enumerate(images[start : start + size])
            ]
            rows = self._task.prepare(examples, self.contract, None)
            found += [self._task.read(o, None, self.contract) for o in self.outputs(rows, size)]
        return found

    def _array_rows(self, inputs: Mapping[str, Any], method: str) -> list[Row]:
        if self.contract.input_kind != "arrays":
            raise UsageError(
                f".{method}() takes arrays; '{self.name}' reads {self.contract.input_kind}.",
                f"its method is .{self.own_method}().",
            )
        arrays = {name: np.asarray(value) for name, value in inputs.items()}
        counts = {len(value) for value in arrays.values()}
        _require(len(counts) == 1, "as many examples of each input", "{name: array [n, ...]}")
        rows = [{name: value[i] for name, value in arrays.items()} for i in range(counts.pop())]
        examples = [Example(f"example {i}", arrays=row) for i, row in enumerate(rows)]
        return self._task.prepare(examples, self.contract, None)

    def embed(self, texts: Sequence[Text], batch_size: int = 16) -> Floats:
        """Sentence vectors, float32 [len(texts), dim].

        Raises:
          UsageError: the folder holds another task.
        """
        self._expect("sentence-embedding", "embed")
        if not len(texts):
            width = self.contract.outputs[0].shape[-1]
            return np.zeros((0, int(width)), np.float32)
        return np.stack(self._read(texts, batch_size))

    def classify(self, texts: Sequence[Text], batch_size: int = 16) -> list[dict[str, Any]]:
        """One ``{"label", "score", "scores"}`` per text, or per ``(text, text_pair)``.

        Raises:
          UsageError: the folder holds another task.
        """
        self._expect("text-classification", "classify")
        return self._read(texts, batch_size)

    def features(self, texts: Sequence[Text], batch_size: int = 16) -> list[Floats]:
        """One vector per token: float32 [tokens, dim] per text, special tokens included.

        Raises:
          UsageError: the folder holds another task.
        """
        self._expect("feature-extraction", "features")
        return self._read(texts, batch_size)

    def tokens(
        self, texts: Sequence[str], aggregation: Aggregation = "simple", batch_size: int = 16
    ) -> list[list[dict[str, Any]]]:
        """Entities of each text: ``{"label", "score", "start", "end", "text"}``.

        Args:
          texts: single texts.
          aggregation: see ``TokenClassification.read``.
          batch_size: texts per call of the runtime.
        Raises:
          UsageError: the folder holds another task, or unknown aggregation.
        """
        self._expect("token-classification", "tokens")
        _require(all(isinstance(t, str) for t in texts), "a list of single texts", '["a text"]')
        return self._read(texts, batch_size, aggregation=aggregation)

    def word_labels(self, words: Sequence[Sequence[str]], batch_size: int = 16) -> list[list[str]]:
        """A label for each word of texts that are split into words: that of its first token.

        Words beyond the maximum length get ``O``.

        Raises:
          UsageError: the folder holds another task, or something else was given.
        """
        self._expect("token-classification", "word_labels")
        whole = any(isinstance(w, str) for w in words)
        _require(not whole, "a list of lists of words", '[["a", "text"]]')
        encoded = self._tokenizer.encode_words(words)
        outputs = self.outputs([e.ids for e in encoded], batch_size)
        return [
            word_labels(o, e, self.contract, len(w))
            for o, e, w in zip(outputs, encoded, words, strict=True)
        ]

    def answer(
        self,
        questions: Sequence[tuple[str, str]],
        top_k: int = 1,
        max_answer: int = 15,
        impossible: bool = False,
        batch_size: int = 16,
    ) -> list[list[dict[str, Any]]]:
        """Where in a context the answer stands: ``{"answer", "score", "start", "end"}``.

        Contexts beyond the maximum length are read in overlapping windows.

        Args:
          questions: (question, context) pairs.
          top_k: answers per question, best first.
          max_answer: tokens of the longest answer.
          impossible: an empty answer competes too, for models trained with such questions.
          batch_size: windows per call of the runtime.
        Raises:
          UsageError: the folder holds another task, or something else was given.
        """
        self._expect("question-answering", "answer")
        _require(
            all(isinstance(q, tuple | list) and len(q) == 2 for q in questions),
            "a list of pairs",
            '[("the question", "the context")]',
        )
        overlap = min(WINDOW_OVERLAP, self.contract.max_length // 2)
        windows = [self._tokenizer.encode_windows(q, c, overlap) for q, c in questions]
        outputs = iter(self.outputs([w.ids for group in windows for w in group], batch_size))
        results = []
        for (_, context), group in zip(questions, windows, strict=True):
            found: dict[tuple[int, int], float] = {}
            for window in group:
                for item in self._task.read(
                    next(outputs), window, self.contract,
                    top_k=top_k, max_answer=max_answer, impossible=impossible,
                ):  # fmt: skip
                    span = item["start"], item["end"]
                    # an empty answer must be right for every window, another for one
                    best = min if span == (0, 0) else max
                    found[span] = best(found.get(span, item["score"]), item["score"])
            order = sorted(found.items(), key=lambda entry: -entry[1])[:top_k]
            results.append(
                [
                    {"answer": context[a:b], "score": score, "start": a, "end": b}
                    for (a, b), score in order
                ]
            )
        return results

    def fill(
        self, texts: Sequence[str], top_k: int = 5, batch_size: int = 16
    ) -> list[list[list[dict[str, Any]]]]:
        """What fits in the place of each mask: per text, per mask ``{"token", "score", "text"}``.

        ``token`` is the vocabulary's name, ``text`` what it stands for. Masks are written as the
        model's own mask token (``mask_token``).

        Raises:
          UsageError: the folder holds another task, or a text has no mask.
        """
        self._expect("fill-mask", "fill")
        _require(all(isinstance(t, str) for t in texts), "a list of single texts", '["a text"]')
        results = self._read(texts, batch_size, top_k=top_k)
        for text, masks in zip(texts, results, strict=True):
            if not masks:
                raise UsageError(
                    f"no {self.mask_token} stands in {text[:40]!r} (or it was cut off).",
                    f"write {self.mask_token} where a word is to be guessed.",
                )
            for item in (item for mask in masks for item in mask):
                number = item.pop("id")
                item["token"] = self._tokenizer.token(number)
                item["text"] = self._tokenizer.decode([number]).strip()
        return results

    @property
    def mask_token(self) -> str:
        """What marks a word to be guessed, or "" where the model has none."""
        number = self.contract.mask_id
        return "" if number is None else self._tokenizer.token(number)

    def is_cut(self, texts: Sequence[Any], words: bool = False) -> list[bool]:
        """Whether each text, pair or list of words is longer than the contract's tokens."""
        return self._tokenizer.is_cut(texts, words)

    def outputs(self, rows: Sequence[Row], batch_size: int = 16) -> list[dict[str, Floats]]:
        """The raw outputs of each example, padding cut off.

        Args:
          rows: unpadded inputs.
          batch_size: rows per call of the runtime.
        Returns:
          per example, by output name: float32 [d], or [length, d] / [length] for token outputs.
        """
        per_token = {s.name for s in self.contract.outputs if "length" in s.shape}
        results: list[dict[str, Floats]] = [{} for _ in rows]
        lengths = [row_length(row, self.contract) for row in rows]
        for chunk in _batches(lengths, self._session.buckets, batch_size):
            outputs = self._session.run(batch_rows([rows[i] for i in chunk], self.contract))
            for place, i in enumerate(chunk):
                length = lengths[i]
                results[i] = {
                    name: value[place, :length] if name in per_token else value[place]
                    for name, value in outputs.items()
                }
        return results

    def _expect(self, task: str, method: str) -> None:
        if self.contract.task != task:
            raise UsageError(
                f".{method}() needs a {task} model; '{self.name}' is {self.contract.task}.",
                f"its task's method is .{self.own_method}().",
            )

    def _read(self, texts: Sequence[Text], batch_size: int, **options: Any) -> list[Any]:
        _require(not isinstance(texts, str), "a list of texts", '["a text"]')
        pairs = [t if isinstance(t, tuple) else (t, None) for t in texts]
        encoded = self._tokenizer.encode_places([p[0] for p in pairs], [p[1] for p in pairs])
        outputs = self.outputs([e.ids for e in encoded], batch_size)
        return [
            self._task.read(o, e, self.contract, text=p[0], **options)
            for o, e, p in zip(outputs, encoded, pairs, strict=True)
        ]


#: task -> the method of ``Model`` that serves it
METHODS = {
    "array-classification": "classify_arrays",
    "array-outputs": "predict",
    "feature-extraction": "features",
    "fill-mask": "fill",
    "image-classification": "classify_images",
    "question-answering": "answer",
    "sentence-embedding": "embed",
    "text-classification": "classify",
    "text-generation": "generate",
    "text2text-generation": "generate",
    "token-classification": "tokens",
}


def _is_picture(images: Any) -> bool:
    """One picture's pixels in place of a list; a stack of pictures is a list."""
    return isinstance(images, np.ndarray) and images.ndim < 4


def _require(right: bool, expected: str, example: str) -> None:
    if not right:
        raise UsageError(f"{expected} is expected.", f"write {example}.")


def _batches(
    lengths: Sequence[int], buckets: tuple[int, ...], batch_size: int
) -> Iterable[list[int]]:
    """Indices in batches of like length: little padding, and the smallest bucket for each."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    size = 1 if buckets else max(1, batch_size)
    return (order[start : start + size] for start in range(0, len(order), size))

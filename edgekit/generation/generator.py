"""From prompts to texts: what ``Model.generate`` and ``edgekit generate`` call."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

import numpy as np

from edgekit.contract import Contract
from edgekit.errors import CacheFullError, UsageError
from edgekit.generation.beams import beam_search
from edgekit.generation.chat import Message, render_chat
from edgekit.generation.choosing import source_of_chance
from edgekit.generation.options import Options, seed_of, settings_of, stops_of
from edgekit.generation.pieces import StopTexts, TextPieces
from edgekit.generation.prompts import Prompt, encode_prompt, stack_prompts
from edgekit.generation.result import Finished, Generated
from edgekit.generation.rules import Rules
from edgekit.generation.settings import Generation, Sampling
from edgekit.generation.state import DecodingState, Floats, GeneratingSession
from edgekit.generation.steps import GrowingText, grow
from edgekit.runtime.session import Session
from edgekit.runtime.tokenizer import TextTokenizer

#: a text, or a conversation for the chat template
Question = str | Sequence[Message]


class TextStream:
    """Pieces of a text as they come; ``result`` when they are through."""

    def __init__(self, pieces: Generator[str, None, Generated]) -> None:
        self._pieces = pieces
        self._result: Generated | None = None

    def __iter__(self) -> Iterator[str]:
        self._result = yield from self._pieces

    @property
    def result(self) -> Generated:
        """The whole.

        Raises:
          UsageError: the stream is not at its end.
        """
        if self._result is None:
            raise UsageError("the text is not at its end.", "read the whole stream first.")
        return self._result


class TextGenerator:
    """Generates with one file.

    Args:
      name: of the file, for errors.
      contract: of a folder that generates.
      tokenizer: the folder's.
      session: of the file.
    Raises:
      UsageError: the contract or the session knows nothing of generating.
    """

    def __init__(
        self, name: str, contract: Contract, tokenizer: TextTokenizer, session: Session
    ) -> None:
        if contract.generation is None:
            raise UsageError(f"'{name}' generates no text: it is {contract.task}.", "")
        if not isinstance(session, GeneratingSession):
            raise UsageError(f"'{name}' is a file without a cache.", "export the model again.")
        self._contract, self._tokenizer = contract, tokenizer
        self._session: GeneratingSession = session
        self._about: Generation = contract.generation

    def generate(self, questions: Sequence[Question], options: Options) -> list[Generated]:
        """Answers to all, in one batch.

        Args:
          questions: prompts or conversations.
          options: see ``Options``.
        Raises:
          PromptError, UsageError, NotFiniteError: see ``Model.generate``.
        """
        if not questions:
            return []
        settings, stops = settings_of(self._about.sampling, options), stops_of(options)
        prompts = [self._prompt(question) for question in questions]
        if settings.beams > 1:
            return [self._search(prompt, settings, stops) for prompt in prompts]
        told = [""] * len(prompts)
        texts, steps = self._grow(prompts, settings, stops, seed_of(options))
        for row, piece in steps:
            told[row] += piece
        return [_result(*parts) for parts in zip(told, texts, prompts, strict=True)]

    def stream(self, question: Question, options: Options) -> TextStream:
        """One answer, piece by piece (of a beam search: all of it at the end)."""
        return TextStream(self._pieces(question, options))

    def _pieces(self, question: Question, options: Options) -> Generator[str, None, Generated]:
        settings, stops = settings_of(self._about.sampling, options), stops_of(options)
        prompt = self._prompt(question)
        if settings.beams > 1:
            found = self._search(prompt, settings, stops)
            yield found.text
            return found
        told = ""
        [text], steps = self._grow([prompt], settings, stops, seed_of(options))
        for _, piece in steps:
            told += piece
            if piece:
                yield piece
        return _result(told, text, prompt)

    def _prompt(self, question: Question) -> Prompt:
        text = question if isinstance(question, str) else self._chat(question)
        return encode_prompt(
            text,
            self._tokenizer,
            self._about.vocabulary,
            self._contract.max_length if self._is_encoder_decoder else self._about.context,
            special=isinstance(question, str),
        )

    def _chat(self, messages: Sequence[Message]) -> str:
        template = self._tokenizer.chat_template
        if not template:
            raise UsageError("the model has no chat template.", "give the prompt as one text.")
        ids = {"bos_token": self._about.bos_id, "pad_token": self._contract.pad_id}
        # where several tokens end a text, the first is what the checkpoint calls eos_token
        ids["eos_token"] = next(iter(self._about.eos_ids), None)
        ids["unk_token"] = self._tokenizer.unknown_id
        special = {name: self._tokenizer.token(n) for name, n in ids.items() if n is not None}
        return render_chat(template, messages, special)

    @property
    def _is_encoder_decoder(self) -> bool:
        return self._about.start_id is not None

    def _begin(self, prompts: Sequence[Prompt]) -> tuple[DecodingState, Floats, list[list[int]]]:
        """A filled cache, the logits behind it, and what the rules count as the prompt."""
        start = self._about.start_id
        ids, mask = stack_prompts(prompts, self._contract, left=start is None)
        if start is None:
            state = self._session.state(len(prompts))
            if ids.shape[1] > state.room:
                raise CacheFullError(
                    f"a prompt of {ids.shape[1]} tokens does not fit a cache of {state.room}."
                )
            padded = None if mask.all() else mask
            return state, state.feed(ids, padded)[:, -1], [list(p.ids) for p in prompts]
        state = self._session.state(len(prompts), self._session.encode(ids, mask))
        logits = state.feed(np.full((len(prompts), 1), start, np.int64))[:, -1]
        return state, logits, [[start] for _ in prompts]

    def _limit(self, state: DecodingState, settings: Sampling) -> tuple[int, Finished]:
        """Tokens that may come, and what it is that ends them; the last one needs no place."""
        fits, asked = state.room + 1, settings.max_new_tokens
        return (fits, "cache") if asked is None or asked > fits else (asked, "length")

    def _grow(
        self, prompts: Sequence[Prompt], settings: Sampling, stops: Sequence[str], seed: int
    ) -> tuple[list[GrowingText], Iterator[tuple[int, str]]]:
        state, logits, seen = self._begin(prompts)
        limit, at_limit = self._limit(state, settings)
        texts = [
            GrowingText(
                ids,
                Rules.of(self._about, settings, len(ids), limit),
                source_of_chance(seed, row),
                self._text_pieces(ids),
                StopTexts(stops),
                at_limit,
            )
            for row, ids in enumerate(seen)
        ]
        return texts, grow(state, logits, texts)

    def _text_pieces(self, seen: Sequence[int]) -> TextPieces:
        return TextPieces(self._tokenizer, () if self._is_encoder_decoder else seen)

    def _search(self, prompt: Prompt, settings: Sampling, stops: Sequence[str]) -> Generated:
        state, logits, [seen] = self._begin([prompt])
        limit, at_limit = self._limit(state, settings)
        rules = Rules.of(self._about, settings, len(seen), limit)

        def text_of(ids: Sequence[int]) -> tuple[str, bool]:
            pieces, stop = self._text_pieces(seen), StopTexts(stops)
            ended = bool(ids) and ids[-1] in self._about.eos_ids
            told = [pieces.push(token) for token in (ids[:-1] if ended else ids)]
            text = stop.push("".join(told) + pieces.finish())
            return (text if stop.stopped else text + stop.finish()), stop.stopped

        def stops_at(ids: Sequence[int]) -> bool:
            return bool(stops) and text_of(ids)[1]

        found = beam_search(state, logits[0], seen, rules, stops_at)
        ids = found.ids[0][len(seen) :]
        text, stopped = text_of(ids)
        reason: Finished = at_limit
        if stopped:
            reason = "stop"
        elif ids and ids[-1] in self._about.eos_ids:
            reason = "eos"
        score = float(found.scores[0])
        return Generated(text, tuple(ids), reason, len(prompt.ids), prompt.unknown, score)


def _result(told: str, text: GrowingText, prompt: Prompt) -> Generated:
    assert text.finished is not None
    return Generated(told, tuple(text.ids), text.finished, len(prompt.ids), prompt.unknown)

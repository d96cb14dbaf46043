"""The methods of a model that generates text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Unpack

from edgekit.contract import Contract
from edgekit.errors import UsageError
from edgekit.generation.generator import Question, TextGenerator, TextStream
from edgekit.generation.options import Options
from edgekit.generation.result import Generated
from edgekit.runtime.session import Session
from edgekit.runtime.tokenizer import TextTokenizer


class GeneratingMethods(ABC):
    """What ``Model`` has of them; it brings the rest."""

    name: str
    contract: Contract

    @property
    @abstractmethod
    def session(self) -> Session:
        """What it runs on."""

    @property
    @abstractmethod
    def own_method(self) -> str:
        """The method that serves its task."""

    @property
    @abstractmethod
    def _tokenizer(self) -> TextTokenizer: ...

    def generate(self, prompt: Question, **options: Unpack[Options]) -> Generated:
        """The text that the model writes behind a prompt.

        Args:
          prompt: a text, or a conversation (``[{"role": "user", "content": ...}]``) that the
            model's chat template turns into one.
          options: see ``edgekit.generation.options.Options``; what is left out is as the
            checkpoint's ``generation_config`` says.
        Raises:
          UsageError: the folder does not generate, or an option is out of range.
          PromptError: the prompt is empty, too long, or not of this tokenizer.
          NotFiniteError: the file gives NaN or infinity.
        """
        return self._generator("generate").generate([prompt], options)[0]

    def generate_all(
        self, prompts: Sequence[Question], batch_size: int = 16, **options: Unpack[Options]
    ) -> list[Generated]:
        """As ``generate``, for many prompts; those of a batch are padded to one length.

        Args:
          prompts: texts or conversations.
          batch_size: prompts that grow together.
          options: as there; each prompt draws by a seed of its own.
        """
        if isinstance(prompts, str):
            raise UsageError("a list of prompts is expected.", 'write ["a prompt"].')
        generator, size = self._generator("generate_all"), max(1, batch_size)
        return [
            result
            for start in range(0, len(prompts), size)
            for result in generator.generate(prompts[start : start + size], options)
        ]

    def stream(self, prompt: Question, **options: Unpack[Options]) -> TextStream:
        """As ``generate``, piece by piece: iterate over it, then read its ``result``."""
        return self._generator("stream").stream(prompt, options)

    def _generator(self, method: str) -> TextGenerator:
        if self.contract.generation is None:
            raise UsageError(
                f".{method}() needs a model that generates text; '{self.name}' is "
                f"{self.contract.task}.",
                f"its task's method is .{self.own_method}().",
            )
        return TextGenerator(self.name, self.contract, self._tokenizer, self.session)

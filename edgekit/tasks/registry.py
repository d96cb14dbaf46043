"""Tasks by name."""

from __future__ import annotations

from edgekit.errors import UnsupportedError
from edgekit.tasks.base import Task
from edgekit.tasks.sentence_embedding import SentenceEmbedding
from edgekit.tasks.text_classification import TextClassification

_TASKS: dict[str, Task] = {t.name: t for t in (SentenceEmbedding(), TextClassification())}


def task_names() -> tuple[str, ...]:
    """All tasks, in alphabetical order."""
    return tuple(sorted(_TASKS))


def get_task(name: str) -> Task:
    """The task of that name.

    Raises:
      UnsupportedError: there is none.
    """
    if name not in _TASKS:
        raise UnsupportedError(
            f"task '{name}' is not supported.", f"supported: {', '.join(task_names())}."
        )
    return _TASKS[name]

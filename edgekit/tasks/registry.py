"""Tasks by name."""

from __future__ import annotations

from edgekit.errors import UnsupportedError
from edgekit.tasks.arrays import ArrayClassification, ArrayOutputs
from edgekit.tasks.base import Task
from edgekit.tasks.feature_extraction import FeatureExtraction
from edgekit.tasks.fill_mask import FillMask
from edgekit.tasks.image_classification import ImageClassification
from edgekit.tasks.question_answering import QuestionAnswering
from edgekit.tasks.sentence_embedding import SentenceEmbedding
from edgekit.tasks.text2text_generation import Text2TextGeneration
from edgekit.tasks.text_classification import TextClassification
from edgekit.tasks.text_generation import TextGeneration
from edgekit.tasks.token_classification import TokenClassification

_TASKS: dict[str, Task] = {
    t.name: t
    for t in (
        ArrayClassification(),
        ArrayOutputs(),
        FeatureExtraction(),
        FillMask(),
        ImageClassification(),
        QuestionAnswering(),
        SentenceEmbedding(),
        Text2TextGeneration(),
        TextClassification(),
        TextGeneration(),
        TokenClassification(),
    )
}


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

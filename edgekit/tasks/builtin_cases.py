"""The built-in cases: real sentences of mixed length and script, written for this project."""

from __future__ import annotations

from edgekit.contract import Contract
from edgekit.tasks.base import Example
from edgekit.tasks.builtin_questions import builtin_names, builtin_questions
from edgekit.tasks.builtin_stories import builtin_stories
from edgekit.tasks.image_cases import drawn_cases
from edgekit.tasks.next_token import LEAST_POSITIONS, VALUES_PER_EXAMPLE
from edgekit.tasks.registry import get_task

_TEXTS = (
    "",
    "Hello",
    "ok",
    "No.",
    "Where is the nearest pharmacy?",
    "A wonderful little film.",
    "Not worth the ticket.",
    "The battery dies before noon.",
    "The train to Lyon leaves at 7:42 from platform 3.",
    "She closed the window, but the rain had already found the letters on the desk.",
    "I would not recommend this blender to anyone who values quiet mornings.",
    "The plot is thin, the jokes are old, and yet I left the cinema smiling.",
    "Stir the flour into the warm milk, a spoonful at a time, until no lumps remain.",
    "Inflation slowed to 2.1% in October, its lowest level in three years.",
    "To reset the device, hold the power button for ten seconds and release it.",
    "Could you move our meeting from Tuesday to Thursday, same time?",
    "The tenant shall return the keys no later than the last day of the lease.",
    "A mutex protects shared state; forgetting to release it stops every other thread.",
    '"Are you coming?" he asked. "Only if you drive," she said.',
    "Warning: this product contains nuts and may contain traces of milk.",
    "Order #48213-B has shipped and should arrive between 9 and 11 a.m.",
    "He never said that she stole the money; he said that somebody had.",
    "Great camera, terrible software, average price.",
    "It was the kind of silence that makes a clock sound rude.",
    "The cat sat on the mat while the dog slept under the table near the door.",
    "Visit https://example.org/docs?page=2&lang=en or write to help@example.org today!",
    "f(x) = 3x^2 - 4x + 1 has its minimum at x = 2/3.",
    "WHY IS EVERYTHING WRITTEN IN CAPITALS ON THIS SIGN???",
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "这部电影的结尾让我非常感动。",
    "请问最近的地铁站怎么走?",
    "駅まで歩いて十分ぐらいかかります。",
    "오늘은 날씨가 정말 좋네요.",
    "Где находится ближайшая библиотека?",
    "Книга оказалась гораздо интереснее фильма.",
    "¿Puede traerme la cuenta, por favor?",
    "Der Zug hat leider zwanzig Minuten Verspätung.",
    "Le chat dort sur le canapé depuis ce matin.",
    "أين يمكنني شراء تذكرة القطار؟",
    "मुझे यह किताब बहुत पसंद आई।",
    "Η θάλασσα ήταν ήρεμη εκείνο το πρωί.",
    "Best pizza in town 🍕🍕 10/10 would eat again 😋",
    "naïve café façade coöperate Zürich Łódź",
    "tab\tand\nnewline in one text",
    "The museum, which had been closed for eleven years while lawyers argued about its roof, "
    "opened on a grey Monday with free coffee and a queue that reached the river.",
    "When the engineers compared the two bridges they found that the older one, built without a "
    "single calculation that survives, would outlive the newer one by at least forty years.",
)

_LONG = (
    "The harbour master kept a notebook in which every boat had a page of its own. He wrote down "
    "when it came, what it carried, and who stood at the wheel. In spring the pages filled with "
    "timber and salt, in summer with melons and tourists, in autumn with apples and rain. Nobody "
    "had ever asked him to keep the notebook, and nobody had ever asked to read it. But when the "
    "insurance company wanted to know whether the Marianne had really been in port on the ninth "
    "of March, he opened the drawer, licked his thumb, and found the page in less than a minute. "
)

_PAIRS = (
    ("A man is playing a guitar.", "Someone makes music."),
    ("A man is playing a guitar.", "The man is asleep."),
    ("The shop opens at nine.", "You can buy bread there at half past eight."),
    ("How do I reset my password?", "I forgot my password and cannot log in."),
    ("The river froze in January.", "Der Fluss war im Januar zugefroren."),
    ("short", "A much longer second text that has nothing at all to do with the first one."),
    ("", "Only the second text is here."),
    ("Only the first text is here.", ""),
)


#: values of the reference outputs that golden.npz is to hold at most, where a task's output is as
#: wide as a vocabulary: 16 MB
_MOST_VALUES = 4_000_000
_LEAST_CASES = 16
#: values of the logits of one text: 256 MB
_LOGITS_AT_ONCE = 1 << 26


def builtin_cases(contract: Contract) -> list[Example]:
    """The cases that a folder is judged on when the user gives none.

    Args:
      contract: task and lengths; the longest texts exceed ``max_length``.
    """
    task = get_task(contract.task)
    if contract.input_kind == "image":
        return drawn_cases()
    if task.name == "question-answering":
        return builtin_questions(contract.max_length)
    if task.name == "text-generation":
        return _stories(contract)
    examples = builtin_texts(contract.max_length, task.takes_pairs)
    if task.name == "token-classification":
        examples += builtin_names()
    if task.name == "text2text-generation":
        values = max(VALUES_PER_EXAMPLE, LEAST_POSITIONS * int(contract.outputs[0].shape[-1]))
        examples = _fewer(examples, _MOST_VALUES // values)
    if task.name == "fill-mask":
        examples = _fewer(examples, _MOST_VALUES // int(contract.outputs[0].shape[-1]))
    return examples


def _stories(contract: Contract) -> list[Example]:
    vocabulary = int(contract.outputs[0].shape[-1])
    # a context of 100,000 tokens is not filled: the source's logits alone would take gigabytes
    length = min(contract.max_length, max(128, _LOGITS_AT_ONCE // vocabulary))
    examples = builtin_texts(length, False) + builtin_stories(2 * length)
    values = max(VALUES_PER_EXAMPLE, LEAST_POSITIONS * vocabulary)
    return _fewer(examples, _MOST_VALUES // values)


def _fewer(examples: list[Example], count: int) -> list[Example]:
    """So many of the examples, evenly, and the last: it is the longest."""
    count = max(_LEAST_CASES, count)
    if count >= len(examples):
        return examples
    step = (len(examples) - 1) / (count - 1)
    return [examples[round(i * step)] for i in range(count)]


def builtin_texts(max_length: int, pairs: bool) -> list[Example]:
    """Texts of zero words up to beyond ``max_length`` tokens, several scripts.

    Args:
      max_length: the contract's length in tokens; the longest texts are sure to exceed it (a
        word is at least one token).
      pairs: add text pairs (models with token types).
    """
    examples = [Example(text) for text in _TEXTS]
    words = (_LONG * 8).split()
    # lengths around the usual buckets and the maximum, where padding and cutting go wrong
    lengths = [n for n in (18, 28, 40, 52, 70, 95, 110, 160) if n < max_length] + [2 * max_length]
    for start, count in enumerate(lengths):
        body = words[start * 7 :]
        while len(body) < count:
            body += words
        examples.append(Example(" ".join(body[:count])))
    if pairs:
        examples += [Example(a, b) for a, b in _PAIRS]
        examples.append(Example(" ".join(words[:max_length]), " ".join(words[9 : 9 + max_length])))
    return examples

"""The built-in cases of language models: sentences and paragraphs, written for this project."""

from __future__ import annotations

from edgekit.tasks.base import Example

_PARAGRAPHS = (
    "Once upon a time there was a small owl who was afraid of the dark. Every evening, when the "
    "other owls flew out, she hid behind the warm chimney and counted her feathers. One night the "
    'moon looked down and asked, "Why do you stay at home?" "Because I cannot see what is out '
    'there," said the owl. The moon shone a little brighter, and the owl saw the river, the barn '
    "and her best friend, the mouse. From then on she was only afraid when it was cloudy.",
    "Tim had a red kite. He took it to the park, but there was no wind. He ran and ran, and the "
    "kite fell down again and again. A big boy laughed at him. Then Tim's sister said, \"Let us "
    'wait on the bench and eat our apples." They waited. Soon the trees began to move, and the '
    "kite went up, up, up. The big boy stopped laughing and asked if he could hold the string.",
    "To make bread for four people, mix 500 g of flour with a teaspoon of salt and 7 g of dry "
    "yeast. Add 320 ml of warm water and knead for ten minutes. Cover the bowl and leave it for an "
    "hour, until the dough has doubled. Shape it, let it rest for another thirty minutes, and bake "
    "it at 220 degrees for half an hour. It is done when it sounds hollow.",
    "def mean(values):\n    total = 0.0\n    for value in values:\n        total += value\n"
    "    return total / len(values)\n\nprint(mean([1, 2, 3, 4]))  # 2.5\n",
    "The committee met on 4 March. Present: A. Lindqvist (chair), R. Okafor, J. Marsh. The minutes "
    "of the last meeting were approved. Ms Okafor reported that the roof of the north hall leaks "
    "in two places; repairs would cost about 3,400 euros. It was decided to ask for a second "
    "offer. Mr Marsh asked that the heating be switched on before the choir arrives, not after.",
    "Der alte Leuchtturm steht seit hundert Jahren auf der Klippe. Früher wohnte dort ein Wärter "
    "mit seiner Familie; heute kommt nur noch einmal im Monat jemand, der die Batterien prüft. "
    "Die Kinder aus dem Dorf erzählen, dass man nachts noch immer Schritte auf der Treppe hört.",
    "El mercado abre a las siete. A esa hora ya huele a pan, a café y a naranjas. Doña Carmen "
    "coloca los tomates uno por uno, como si fueran de cristal, y saluda a todos por su nombre.",
    "从前有一个小村子,村子里只有一口井。夏天的时候,井水很凉,大家都坐在井边聊天。"
    "有一年没有下雨,井干了。一个小女孩说:“我们往下再挖一点吧。”他们挖了三天,水又回来了。",
)


def builtin_stories(longest: int) -> list[Example]:
    """Paragraphs, whole and cut off in the middle, as prompts are.

    Args:
      longest: words of one text more, made of the paragraphs: beyond the contract's length.
    """
    found = [Example(text) for text in _PARAGRAPHS]
    cuts = zip(_PARAGRAPHS, (3, 9, 21), strict=False)
    found += [Example(" ".join(text.split()[:count])) for text, count in cuts]
    words = " ".join(text for text in _PARAGRAPHS if text.isascii()).split()
    found.append(Example(" ".join((words * (longest // len(words) + 1))[:longest])))
    return found

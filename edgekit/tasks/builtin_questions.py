"""The built-in cases of question answering and token classification, written for this project."""

from __future__ import annotations

from edgekit.tasks.base import Example

_LIGHTHOUSE = (
    "The lighthouse at Cape Orlo was built in 1874 by Henrik Aune, a bridge engineer from Bergen "
    "who had never worked on the sea before. Its lamp burned rapeseed oil until 1911, when a "
    "smaller electric bulb replaced it. Since the last keeper left in 1986 a family of foxes has "
    "lived in the cellar, and the tower is opened to visitors on the first Sunday of each month."
)
_BAKERY = (
    "Mirela opened her bakery in March with two ovens and one employee. By September she had sold "
    "eleven thousand walnut rolls, most of them before eight in the morning, and hired her "
    "brother to keep the books."
)
_BATTERY = (
    "Charge the battery for at least four hours before the first use. The green light stops "
    "blinking when it is full. Do not charge it below 5 degrees Celsius, and never leave it in a "
    "parked car in summer: above 60 degrees the cells age within days."
)
_COUNCIL = (
    "The city council voted 14 to 9 on Tuesday to close the old tram depot. Councillor Adeyemi "
    "called the decision premature; the mayor, Ines Carvalho, said that repairs would have cost "
    "3.2 million euros."
)

_QUESTIONS = (
    ("Who built the lighthouse?", _LIGHTHOUSE),
    ("When was the oil lamp replaced?", _LIGHTHOUSE),
    ("What lives in the cellar?", _LIGHTHOUSE),
    ("On which day can visitors climb the tower?", _LIGHTHOUSE),
    ("How much does the ticket cost?", _LIGHTHOUSE),
    ("How many rolls were sold by September?", _BAKERY),
    ("Whom did Mirela hire?", _BAKERY),
    ("When did the bakery open?", _BAKERY),
    ("How long should the battery be charged?", _BATTERY),
    ("What does the green light do when the battery is full?", _BATTERY),
    ("Below which temperature must it not be charged?", _BATTERY),
    ("What was the result of the vote?", _COUNCIL),
    ("Who is the mayor?", _COUNCIL),
    ("What would the repairs have cost?", _COUNCIL),
    ("¿Quién construyó el faro?", "El faro fue construido en 1874 por Henrik Aune."),
    ("Wann fährt der letzte Bus?", "Der letzte Bus fährt um 23:40 Uhr vom Rathaus ab."),
    ("面包店什么时候开门?", "这家面包店每天早上六点开门,星期一休息。"),
    ("Где живут лисы?", "С 1986 года в подвале башни живёт семья лис."),
    ("Who?", "Nobody."),
    ("", "A context without a question."),
    ("A question without a context?", ""),
    ("What did he find in the drawer?", "the key 🗝️"),
)

_NAMES = (
    "Ines Carvalho met Henrik Aune in Bergen on the 4th of May.",
    "Siemens and Toyota will open a plant near Kraków in 2027, Reuters reported.",
    "Dr. Adeyemi flew from Lagos to London Heathrow with British Airways.",
    "The Danube flows through Vienna, Budapest and Belgrade.",
    '"I never worked for Microsoft," Sarah O\'Neill-Park told the BBC.',
    "Real Madrid beat Bayern Munich 2-1 at the Allianz Arena.",
    "Am Montag traf Angela Brandt den Bürgermeister von Zürich.",
    "El Museo del Prado prestó dos cuadros de Goya al Louvre.",
    "Tokyo's Shinjuku station, NASA, the Andes and Queen Victoria in one sentence.",
    "王小明在北京大学学习。",
)


def builtin_questions(max_length: int) -> list[Example]:
    """Questions with contexts, from none at all to beyond ``max_length`` tokens."""
    long = " ".join([_LIGHTHOUSE, _BAKERY, _BATTERY, _COUNCIL] * (1 + max_length // 150))
    examples = [Example(question, context) for question, context in _QUESTIONS]
    # lengths around the usual buckets: the context is cut, the question is not
    words = long.split()
    for count in (8, 14, 22, 40, 70, 100, 2 * max_length):
        question = "Who built the lighthouse at Cape Orlo?"
        examples.append(Example(question, " ".join(words[:count])))
    examples.append(Example(" ".join(words[:max_length]), "A question longer than the context."))
    return examples


def builtin_names() -> list[Example]:
    """Sentences with names of people, places and organisations."""
    return [Example(text) for text in _NAMES]

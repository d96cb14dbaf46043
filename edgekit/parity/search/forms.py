"""Texts of unusual form: what a tokenizer and a model meet in the wild and default cases lack."""

from __future__ import annotations

#: name -> text; short, each of one form
FORMS: dict[str, str] = {
    "empty": "",
    "white space": " \t\n ",
    "one letter": "a",
    "one word": "soup",
    "one full stop": ".",
    "one digit": "7",
    "unknown characters": "ᚠᚡᚢ 𝄞 ⸺",
    "a word many times": "very " * 60,
    "a character many times": "a" * 200,
    "punctuation only": "?!.,;:-()[]{}\"'/\\|@#$%^&*~`<>=+_" * 3,
    "exclamation marks": "!" * 120,
    "digits": "31415926535897932384626433832795 " * 3,
    "numbers and units": "3.5 kg at 12:40 on 2024-02-29, +44 20 7946 0958, 1e-7, -40 °C, 50%",
    "emoji": "😀 🎉🎉 ❤\ufe0f 👍\U0001f3fd",
    "joined emoji": "👨\u200d👩\u200d👧\u200d👦 🏳\ufe0f\u200d🌈",
    "emoji in text": "great soup 🍲, terrible service 😡, would not return 🚫",
    "Chinese": "这部电影非常好看，我很喜欢。",
    "Japanese": "この映画はとても面白かったです。",
    "Korean": "이 영화는 정말 재미있었어요.",
    "Russian": "Этот фильм очень хороший.",
    "Arabic": "هذا الفيلم جيد جدا.",
    "Hebrew": "הסרט הזה טוב מאוד.",
    "Hindi": "यह फ\u093fल\u094dम बह\u0941त अच\u094dछ\u0940 ह\u0948।",
    "Thai": "ภาพยนตร\u0e4cเร\u0e37\u0e48องน\u0e35\u0e49ด\u0e35มาก",
    "Greek": "Η ταινία ήταν πολύ καλή.",
    "mixed scripts": "good 好 хорошо جيد טוב अच\u094dछ\u093e καλό 👍",
    "combining marks": "Z\u0351\u036b\u0343a\u0335\u0321l\u0334\u0322g\u0337\u0323o\u0336 e\u0301",
    "full-width letters": "Ｆｕｌｌ ｗｉｄｔｈ １２３",
    "control characters": "a\u0000b\u0007c\u200bd\u202ee\ufefff",
    "upper case": "THIS IS THE WORST FILM THAT I HAVE EVER SEEN",
    "a web address": "https://example.org/a/b?c=d&e=%20f#g user.name+tag@example.co.uk",
    "code": "for (int i = 0; i < n; ++i) { x[i] = f(x[i - 1]) ?? null; } // TODO",
    "markup": "<p class=\"a\">One &amp; two<br/></p> **bold** [link](#x) | a | b |",
    "a long word": "donaudampfschifffahrtselektrizitätenhauptbetriebswerkbaugesellschaft",
    "random letters": "xq zvkj wpfh bgnt qqzx jjvk xwq pzzt kcvb mrwq lxgh tqpz",
    "accents": "À la carte, naïve café, Łódź, České Budějovice, İstanbul, straße",
    "quotes and dashes": "“Well” — she said — ‘it’s \u00abfine»…’",
    "a long mixed text": (
        "Order #4471 (2× 寿司, 1× борщ) came 40 min late 😡 — "
        "never again!!! "
    ) * 12,
}  # fmt: skip

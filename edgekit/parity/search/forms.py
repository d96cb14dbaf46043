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
    "unknown characters": "\u16a0\u16a1\u16a2 \U0001d11e \u2e3a",
    "a word many times": "very " * 60,
    "a character many times": "a" * 200,
    "punctuation only": "?!.,;:-()[]{}\"'/\\|@#$%^&*~`<>=+_" * 3,
    "exclamation marks": "!" * 120,
    "digits": "31415926535897932384626433832795 " * 3,
    "numbers and units": "3.5 kg at 12:40 on 2024-02-29, +44 20 7946 0958, 1e-7, -40 \u00b0C, 50%",
    "emoji": "\U0001f600 \U0001f389\U0001f389 \u2764\ufe0f \U0001f44d\U0001f3fd",
    "joined emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f3f3\ufe0f\u200d\U0001f308",
    "emoji in text": "great soup \U0001f372, terrible service \U0001f621, would not return \U0001f6ab",
    "Chinese": "\u8fd9\u90e8\u7535\u5f71\u975e\u5e38\u597d\u770b\uff0c\u6211\u5f88\u559c\u6b22\u3002",
    "Japanese": "\u3053\u306e\u6620\u753b\u306f\u3068\u3066\u3082\u9762\u767d\u304b\u3063\u305f\u3067\u3059\u3002",
    "Korean": "\uc774 \uc601\ud654\ub294 \uc815\ub9d0 \uc7ac\ubbf8\uc788\uc5c8\uc5b4\uc694.",
    "Russian": "\u042d\u0442\u043e\u0442 \u0444\u0438\u043b\u044c\u043c \u043e\u0447\u0435\u043d\u044c \u0445\u043e\u0440\u043e\u0448\u0438\u0439.",
    "Arabic": "\u0647\u0630\u0627 \u0627\u0644\u0641\u064a\u0644\u0645 \u062c\u064a\u062f \u062c\u062f\u0627.",
    "Hebrew": "\u05d4\u05e1\u05e8\u05d8 \u05d4\u05d6\u05d4 \u05d8\u05d5\u05d1 \u05de\u05d0\u05d5\u05d3.",
    "Hindi": "\u092f\u0939 \u092b\u093f\u0932\u094d\u092e \u092c\u0939\u0941\u0924 \u0905\u091a\u094d\u091b\u0940 \u0939\u0948\u0964",
    "Thai": "\u0e20\u0e32\u0e1e\u0e22\u0e19\u0e15\u0e23\u0e4c\u0e40\u0e23\u0e37\u0e48\u0e2d\u0e07\u0e19\u0e35\u0e49\u0e14\u0e35\u0e21\u0e32\u0e01",
    "Greek": "\u0397 \u03c4\u03b1\u03b9\u03bd\u03af\u03b1 \u03ae\u03c4\u03b1\u03bd \u03c0\u03bf\u03bb\u03cd \u03ba\u03b1\u03bb\u03ae.",
    "mixed scripts": "good \u597d \u0445\u043e\u0440\u043e\u0448\u043e \u062c\u064a\u062f \u05d8\u05d5\u05d1 \u0905\u091a\u094d\u091b\u093e \u03ba\u03b1\u03bb\u03cc \U0001f44d",
    "combining marks": "Z\u0351\u036b\u0343a\u0335\u0321l\u0334\u0322g\u0337\u0323o\u0336\u0324 e\u0301 a\u030a",
    "full-width letters": "\uff26\uff55\uff4c\uff4c \uff57\uff49\uff44\uff54\uff48 \uff11\uff12\uff13",
    "control characters": "a\u0000b\u0007c\u200bd\u202ee\ufefff",
    "upper case": "THIS IS THE WORST FILM THAT I HAVE EVER SEEN",
    "a web address": "https://example.org/a/b?c=d&e=%20f#g user.name+tag@example.co.uk",
    "code": "for (int i = 0; i < n; ++i) { x[i] = f(x[i - 1]) ?? null; } // TODO",
    "markup": "<p class=\"a\">One &amp; two<br/></p> **bold** [link](#x) | a | b |",
    "a long word": "donaudampfschifffahrtselektrizit\u00e4tenhauptbetriebswerkbauunterbeamtengesellschaft",
    "random letters": "xq zvkj wpfh bgnt qqzx jjvk xwq pzzt kcvb mrwq lxgh tqpz",
    "accents": "\u00c0 la carte, na\u00efve caf\u00e9, \u0141\u00f3d\u017a, \u010cesk\u00e9 Bud\u011bjovice, \u0130stanbul, stra\u00dfe",
    "quotes and dashes": "\u201cWell\u201d \u2014 she said \u2014 \u2018it\u2019s \u00abfine\u00bb\u2026\u2019",
    "a long mixed text": (
        "Order #4471 (2\u00d7 \u5bff\u53f8, 1\u00d7 \u0431\u043e\u0440\u0449) came 40 min late \U0001f621 \u2014 "
        "never again!!! "
    ) * 12,
}  # fmt: skip

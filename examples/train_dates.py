"""Train a small encoder-decoder that is right: dates in words become ISO dates.

    python examples/train_dates.py DIR

makes DIR (a T5 of about 250,000 parameters, 1 MB), dates.jsonl of held-out rows beside it, and
prints the exact match on them. A minute or two on one core; the same seed gives the same model on
the same machine.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path
from typing import Any

SEED = 7
STEPS, BATCH, RATE = 600, 96, 4e-3
HELD_OUT = 400
YEARS = range(1900, 2100)
MOST_TOKENS = 32

MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
ONES = (
    "", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
)  # fmt: skip
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth",
    "eighteenth", "nineteenth", "twentieth",
)  # fmt: skip
DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def small_number(n: int) -> str:
    """1 to 99 in words."""
    return ONES[n] if n < 20 else f"{TENS[n // 10]} {ONES[n % 10]}".strip()


def ordinal(n: int) -> str:
    """1 to 31: the first, the twenty second."""
    if n <= 20:
        return ORDINALS[n - 1]
    return "thirtieth" if n == 30 else f"{TENS[n // 10]} {ORDINALS[n % 10 - 1]}"


def year_words(year: int, rng: random.Random) -> str:
    """nineteen ninety four, twenty oh six, two thousand and six."""
    century, rest = divmod(year, 100)
    if year == 2000:
        return "two thousand"
    if 2000 < year < 2010 and rng.random() < 0.5:
        return f"two thousand {rng.choice(('', 'and '))}{ONES[rest]}"
    if rest == 0:
        return f"{small_number(century)} hundred"
    return f"{small_number(century)} {'oh ' if rest < 10 else ''}{small_number(rest)}"


def example(rng: random.Random) -> tuple[str, str]:
    """A date in words, and as ISO 8601 writes it."""
    year, month = rng.choice(YEARS), rng.randrange(12)
    day = rng.randint(1, DAYS[month])
    words, name = year_words(year, rng), MONTHS[month]
    text = rng.choice(
        (
            f"the {ordinal(day)} of {name} {words}",
            f"{name} the {ordinal(day)} {words}",
            f"{name} {ordinal(day)} {words}",
            f"in {words} on the {ordinal(day)} of {name}",
        )
    )
    return text, f"{year}-{month + 1:02d}-{day:02d}"


def make_tokenizer() -> Any:
    """Whole words, and every digit alone."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    rng = random.Random(SEED)
    words = {word for _ in range(20_000) for word in example(rng)[0].split()}
    pieces = ["<pad>", "</s>", "<unk>", "-", *"0123456789", *sorted(words)]
    tokenizer = Tokenizer(models.WordLevel({p: i for i, p in enumerate(pieces)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Split(Regex("[0-9-]"), "isolated"),
        ]
    )
    tokenizer.decoder = decoders.Fuse()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=MOST_TOKENS,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
    )


def make_model(vocabulary: int) -> Any:
    """A T5 of two layers on each side."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(SEED)
    return T5ForConditionalGeneration(
        T5Config(
            vocab_size=vocabulary,
            d_model=64,
            d_kv=16,
            num_heads=4,
            d_ff=160,
            num_layers=2,
            num_decoder_layers=2,
            dropout_rate=0.0,
            pad_token_id=0,
            eos_token_id=1,
            decoder_start_token_id=0,
        )
    )


def exact_match(model: Any, tokenizer: Any, rows: list[tuple[str, str]]) -> float:
    """The share of rows whose greedy answer is the very target."""
    import torch

    batch = tokenizer([text for text, _ in rows], padding=True, return_tensors="pt")
    with torch.inference_mode():
        ids = model.generate(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            max_new_tokens=16,
            do_sample=False,
        )
    told = tokenizer.batch_decode(ids, skip_special_tokens=True)
    return sum(a == b for a, (_, b) in zip(told, rows, strict=True)) / len(rows)


def train(folder: Path, steps: int = STEPS) -> float:
    """Make the folder and dates.jsonl beside it.

    Returns:
      exact match on rows whose dates were never trained on.
    """
    import torch

    rng = random.Random(SEED)
    held: dict[str, str] = {}
    while len(held) < HELD_OUT:
        text, iso = example(rng)
        held.setdefault(iso, text)
    tokenizer = make_tokenizer()
    model = make_model(len(tokenizer))
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.1)
    model.train()
    for step in range(steps):
        rows: list[tuple[str, str]] = []
        while len(rows) < BATCH:
            row = example(rng)
            if row[1] not in held:
                rows.append(row)
        source = tokenizer([text for text, _ in rows], padding=True, return_tensors="pt")
        labels = tokenizer([iso for _, iso in rows], padding=True, return_tensors="pt")["input_ids"]
        loss = model(
            input_ids=source["input_ids"],
            attention_mask=source["attention_mask"],
            labels=labels.masked_fill(labels == tokenizer.pad_token_id, -100),
        ).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        plan.step()
        if step % 100 == 0:
            print(f"step {step}: loss {loss.item():.3f}", file=sys.stderr)
    model.eval()
    rows = [(text, iso) for iso, text in held.items()]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    with (folder.parent / "dates.jsonl").open("w", encoding="utf-8") as out:
        for text, iso in rows:
            out.write(json.dumps({"text": text, "label": iso}) + "\n")
    return exact_match(model, tokenizer, rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=STEPS)
    given = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    print(f"exact match {train(given.folder, given.steps):.4f}")

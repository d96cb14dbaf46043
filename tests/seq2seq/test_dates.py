"""The dates of the training script: words and ISO dates that say the same."""

from __future__ import annotations

import datetime
import random

from examples.train_dates import MOST_TOKENS, example, make_tokenizer, ordinal, year_words


def test_words_of_days_and_years() -> None:
    assert [ordinal(n) for n in (1, 12, 20, 22, 30, 31)] == [
        "first", "twelfth", "twentieth", "twenty second", "thirtieth", "thirty first",
    ]  # fmt: skip
    rng = random.Random(0)
    assert year_words(1994, rng) == "nineteen ninety four"
    assert year_words(1900, rng) == "nineteen hundred"
    assert year_words(2000, rng) == "two thousand"
    assert {year_words(2006, rng) for _ in range(50)} == {
        "two thousand six", "two thousand and six", "twenty oh six",
    }  # fmt: skip


def test_every_example_is_a_date_that_fits_the_tokenizer() -> None:
    rng, tokenizer = random.Random(1), make_tokenizer()
    unknown = tokenizer.unk_token_id
    for _ in range(500):
        text, iso = example(rng)
        found = datetime.date.fromisoformat(iso)
        assert found.strftime("%B").lower() in text
        ids = tokenizer(text)["input_ids"]
        assert unknown not in ids
        assert len(ids) <= MOST_TOKENS
        answer = tokenizer(iso)["input_ids"]
        assert tokenizer.decode(answer, skip_special_tokens=True) == iso

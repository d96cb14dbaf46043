"""Drawn pictures are many, unlike each other, and the same everywhere."""

from __future__ import annotations

import hashlib

import numpy as np

from edgekit.tasks.drawn_pictures import draw_pictures


def test_two_hundred_pictures_are_all_unlike() -> None:
    pictures = draw_pictures(200)
    assert len({p.tobytes() for p in pictures}) == 200
    sizes = {p.shape[:2] for p in pictures}
    assert {(24, 300), (300, 24), (24, 24), (225, 224)} <= sizes
    assert all(p.dtype == np.uint8 and p.shape[2] == 3 for p in pictures)
    means = np.array([p.mean() for p in pictures])
    assert means.min() < 60
    assert means.max() > 190


def test_a_picture_does_not_depend_on_how_many_are_drawn() -> None:
    few, many = draw_pictures(5, seed=2), draw_pictures(30, seed=2)
    for a, b in zip(few, many, strict=False):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(few[0], draw_pictures(1, seed=3)[0])


def test_the_bytes_are_those_of_every_machine() -> None:
    digest = hashlib.sha256()
    for picture in draw_pictures(48):
        digest.update(picture.tobytes())
    assert digest.hexdigest() == "c505e3e8af55af36edc335c210174a05ab9b6d0b0ff5b6a3232eaa6d0cc636ca"

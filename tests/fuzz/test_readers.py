"""Arbitrary text and bytes for the small readers: recipe names, cases, golden arrays."""

from __future__ import annotations

import io
import json
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgekit.audit.sketch import make_sketch
from edgekit.contract import Contract, TensorSpec
from edgekit.errors import ArtifactError, CasesError, RecipeSyntaxError
from edgekit.parity.golden import Golden
from edgekit.recipe import PRESETS, Grid, Recipe
from edgekit.tasks import Example
from edgekit.tasks.cases import read_cases

GROUPS = st.sampled_from([16, 32, 64, 128, 256])
BITS = st.integers(2, 8)
METHODS = st.none() | st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)


def grids(*grains: str) -> st.SearchStrategy[Grid]:
    return st.one_of(
        *(
            st.builds(Grid, BITS, st.just("group"), GROUPS, st.booleans())
            if grain == "group"
            else st.builds(Grid, BITS, st.just(grain), st.none(), st.booleans())
            for grain in grains
        )
    )


CONTRACT = Contract(
    "text-classification",
    "bert",
    (TensorSpec("input_ids", "int64", ("batch", "length")),),
    (TensorSpec("logits", "float32", ("batch", 2)),),
    16,
    0,
)
RECIPES = st.one_of(
    st.just(Recipe("fp32", "fp32")),
    st.builds(
        Recipe,
        st.just("fp16"),
        st.sampled_from(["fp16", "fp32"]) | grids("channel", "group"),
        st.just(False),
        METHODS,
    ),
    st.builds(
        Recipe,
        grids("channel", "tensor", "group"),
        st.sampled_from(["fp16", "fp32"]) | grids("channel", "group"),
        st.booleans(),
        METHODS,
    ),
)


@settings(max_examples=600)
@given(RECIPES)
def test_every_recipe_is_the_reading_of_its_own_name(recipe: Recipe) -> None:
    assert Recipe.parse(str(recipe)) == recipe
    assert recipe.kind in {"fp32", "fp16", *(f"w{k}" for k in range(2, 9))}


@settings(max_examples=200)
@given(RECIPES, RECIPES)
def test_different_recipes_have_different_names(one: Recipe, other: Recipe) -> None:
    assert (str(one) == str(other)) is (one == other)


NEAR = st.text(alphabet="fpw0123468ctgz_a+e@rtn- ", max_size=14)


@settings(max_examples=1000)
@given(NEAR | st.text(max_size=20) | st.sampled_from(sorted(PRESETS)))
@example("w" + "9" * 5000 + "c")
@example("w8g" + "1" * 5000)
@example("w٨c")
@example("w8c\n")
def test_any_text_is_a_recipe_or_refused(text: str) -> None:
    try:
        recipe = Recipe.parse(text)
    except RecipeSyntaxError as error:
        assert error.exit_code == 2  # noqa: PT017 - both outcomes are fine
        return
    assert Recipe.parse(str(recipe)) == recipe
    assert str(recipe).isascii()


def read(path: Path) -> list[Example] | None:
    try:
        found = read_cases(path)
    except CasesError as error:
        assert error.exit_code == 3  # noqa: PT017
        assert error.message.isprintable()  # noqa: PT017
        return None
    assert found
    for row in found:
        for value in (row.text, row.text_pair, row.label):
            assert value is None or value == value.encode("utf-8").decode("utf-8").strip()
    return found


#: what such files are made of, in any order
PIECES = st.lists(
    st.sampled_from([
        b"text", b"label", b"sentence1", b"text_pair", b"\t", b"\n", b"\r\n", b"\r", b'"', b"\0",
        b"{", b"}", b":", b",", b'{"text": "a"}', b'{"text": ', b'"\\ud83d"', b"[]", b"1e999",
        b"NaN", b"null", b"\xef\xbb\xbf", b"\xff", "好".encode(), b" ", b"\\", b"\xe2\x80\xa8",
    ]),
    max_size=24,
).map(b"".join)  # fmt: skip


@settings(max_examples=600)
@given(st.binary(max_size=60) | PIECES, st.sampled_from(["a.tsv", "a.jsonl"]))
@example(b'{"text": "a", "text_pair": "\\ud83d"}', "a.jsonl")
@example(b'{"text": "a", "label": "\\ud83d"}', "a.jsonl")
@example(b'{"text": ' + b"[" * 100_000, "a.jsonl")
@example(b'{"text": "a", "label": ' + b"9" * 5000 + b"}", "a.jsonl")
@example(b"text\n" + b"x" * 200_000, "a.tsv")
def test_any_bytes_are_cases_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content)
    read(path)


@settings(max_examples=100)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["text", "sentence", "text_pair", "label", "x"]),
            st.text(max_size=5) | st.integers() | st.none() | st.floats(),
        ),
        max_size=4,
    )
)
def test_any_objects_are_cases_or_refused(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "b.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = read(path)
    assert found is None or len(found) == len(rows)


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a small golden.npz."""
    rng = np.random.default_rng(0)
    rows = tuple(
        {"input_ids": np.arange(n, dtype=np.int64), "attention_mask": np.ones(n, np.int64)}
        for n in (3, 5)
    )
    weights = {"a": rng.normal(size=(4, 3)), "b": rng.normal(size=5)}
    sketches = {name: make_sketch(value.astype(np.float32)) for name, value in weights.items()}
    examples = (Example("one", None), Example("two", "三"))
    path = tmp_path_factory.mktemp("golden") / "golden.npz"
    outputs = {"logits": rng.normal(size=(2, 2)).astype(np.float32)}
    Golden(examples, rows, outputs, ("x", "y"), sketches).save(path, CONTRACT)
    return path.read_bytes()


def load(path: Path, content: bytes) -> Golden | None:
    path.write_bytes(content)
    try:
        found = Golden.load(path, CONTRACT)
    except ArtifactError as error:
        assert error.message.isprintable()  # noqa: PT017
        return None
    assert len(found.rows) == len(found.examples)
    assert all({len(ids) for ids in row.values()} == {len(row["input_ids"])} for row in found.rows)
    return found


def test_damaged_golden_files(golden: bytes, tmp_path: Path) -> None:
    path, read = tmp_path / "golden.npz", 0
    assert load(path, golden) is not None
    for number in range(1500):
        rng = random.Random(number)
        raw = bytearray(golden)
        for _ in range(rng.randint(1, 3)):
            kind, at = rng.randrange(4), rng.randrange(len(raw))
            if kind < 2:
                raw[at] = rng.randrange(256)
            elif kind == 2:
                del raw[at : at + rng.randint(1, 40)]
            else:
                raw[at:at] = bytes(rng.randrange(256) for _ in range(3))
        read += load(path, bytes(raw)) is not None
    assert read < 1500


def rezipped(golden: bytes, rng: random.Random) -> bytes:
    """The arrays in a sound zip file, some of them of another shape, kind or content, or gone."""
    with np.load(io.BytesIO(golden), allow_pickle=False) as data:
        arrays = {name: data[name] for name in data.files}
    for name in rng.sample(sorted(arrays), rng.randint(1, 3)):
        value = arrays[name]
        changed = (
            None, value[:-1], value[:0], value[..., None], value.astype(np.str_), np.float32(1),
            np.full(value.shape, -1), np.full(value.shape, np.nan), np.full(value.shape, 2**40),
            np.zeros((3, 3, 3)), np.array(["x"] * value.size), np.full(value.shape, b"abc"),
            np.zeros(value.shape, bool), np.zeros(value.shape, complex),
        )[rng.randrange(14)]  # fmt: skip
        if changed is None:
            del arrays[name]
        else:
            arrays[name] = changed
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, value in arrays.items():
            header = io.BytesIO()
            np.lib.format.write_array(header, np.asanyarray(value), allow_pickle=False)
            raw = bytearray(header.getvalue())
            if rng.random() < 0.1:  # the array's own header: shape, type, length
                at = rng.randrange(min(len(raw), 120))
                raw[at] = rng.randrange(256)
            file.writestr(name + ".npy", bytes(raw))
    return out.getvalue()


def test_golden_files_of_other_arrays(golden: bytes, tmp_path: Path) -> None:
    path, read = tmp_path / "golden.npz", 0
    for number in range(1500):
        read += load(path, rezipped(golden, random.Random(number))) is not None
    assert 0 < read < 1500


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00v\x00{}", b"\x80\x04."])
def test_no_zip_at_all(tmp_path: Path, content: bytes) -> None:
    assert load(tmp_path / "golden.npz", content) is None


def test_golden_files_of_pickles_are_not_run(golden: bytes, tmp_path: Path) -> None:
    with np.load(io.BytesIO(golden), allow_pickle=False) as data:
        arrays = {name: data[name] for name in data.files}
    arrays["texts"] = np.array([{"a": 1}, None], object)
    np.savez(tmp_path / "pickled.npz", allow_pickle=True, **arrays)
    assert load(tmp_path / "golden.npz", (tmp_path / "pickled.npz").read_bytes()) is None

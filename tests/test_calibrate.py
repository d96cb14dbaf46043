"""Walking a module layer by layer: order, statistics, determinism, cache, odd architectures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.errors import CasesError, CheckpointError
from edgekit.recipe import Grid

pytestmark = pytest.mark.heavy
torch = pytest.importorskip("torch")

from edgekit.converters.quantize.activations import Rounding  # noqa: E402
from edgekit.converters.quantize.calibrate import Calibrated, calibrate  # noqa: E402
from edgekit.converters.quantize.methods import get_method  # noqa: E402
from edgekit.converters.quantize.texts import (  # noqa: E402
    batches_of,
    builtin_texts,
    shared_texts,
    texts_sha256,
)
from edgekit.converters.quantize.walk import find_course  # noqa: E402

GRID = Grid(3, "group", 16, codes="signed", scales="int8")


class Block(torch.nn.Module):
    """Pre-norm, with biases, dropout before one sum, and a sum in place."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = torch.nn.LayerNorm(width)
        self.left, self.right = torch.nn.Linear(width, width), torch.nn.Linear(width, width)
        self.out = torch.nn.Linear(width, width)
        self.up = torch.nn.Linear(width, 2 * width, bias=False)
        self.down = torch.nn.Linear(2 * width, width, bias=False)
        self.drop = torch.nn.Dropout(0.1)

    def forward(self, h: Any) -> Any:
        x = self.norm(h)
        mixed = torch.softmax(self.left(x) @ x.transpose(1, 2), dim=-1) @ self.right(x)
        h = h + self.drop(self.out(mixed))
        y = self.down(torch.nn.functional.gelu(self.up(self.norm(h))))
        y += h
        return y


class Model(torch.nn.Module):
    """``shared``: one block used twice; its layers have no one place in the order."""

    def __init__(self, shared: bool = False, width: int = 20) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.table = torch.nn.Embedding(50, width)
        first = Block(width)
        self.blocks = torch.nn.ModuleList([first, first if shared else Block(width)])
        self.head = torch.nn.Linear(width, 7)
        self.unused = torch.nn.Linear(width, 3)

    def forward(self, input_ids: Any) -> Any:
        h = self.table(input_ids)
        for block in self.blocks:
            h = block(h)
        return self.head(h.mean(dim=1))


def text(n: int = 60) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    return batches_of([{"input_ids": rng.integers(0, 50, rng.integers(4, 9))} for _ in range(n)])


def matrices(module: Any) -> list[str]:
    return [n for n, p in module.named_parameters() if p.ndim == 2 and "table" not in n]


def run(module: Any, method: str = "two-sided", **how: Any) -> Calibrated:
    grids = dict.fromkeys(matrices(module), GRID)
    return calibrate(module, text(), grids, get_method(method), **how)


def outputs(module: Any, made: Calibrated | None = None) -> np.ndarray:
    import copy

    module = copy.deepcopy(module)
    parameters = dict(module.named_parameters())
    with torch.no_grad():
        for name, tensor in (made.tensors if made else {}).items():
            parameters[name].copy_(torch.from_numpy(tensor.dequantize()))
        for name, bias in (made.biases if made else {}).items():
            parameters[name].copy_(torch.from_numpy(bias))
        return np.concatenate(
            [module(**{n: torch.from_numpy(v) for n, v in b.items()}).numpy() for b in text()]
        )


def test_the_course_knows_shared_inputs_and_sums() -> None:
    module = Model().eval()
    course = find_course(module, text()[0], set(matrices(module)))
    first = [(s.names, s.adds) for s in course.stages[:4]]
    assert first == [
        (("blocks.0.left.weight", "blocks.0.right.weight"), False),
        (("blocks.0.out.weight",), True),
        (("blocks.0.up.weight",), False),
        (("blocks.0.down.weight",), True),
    ]
    assert course.repeated == ()
    shared = Model(shared=True).eval()
    course = find_course(shared, text()[0], set(matrices(shared)))
    assert set(course.repeated) == {n for n in matrices(shared) if n.startswith("blocks")}
    assert [s.names for s in course.stages] == [("head.weight",)]


@pytest.mark.parametrize("shared", [False, True], ids=["blocks", "shared block"])
def test_calibration_beats_rounding_and_leaves_the_module_alone(shared: bool) -> None:
    module = Model(shared).eval()
    before = {n: p.detach().clone() for n, p in module.named_parameters()}
    want = outputs(module)
    ours, plain = run(module), run(module, "rtn")
    for name, parameter in module.named_parameters():
        assert torch.equal(parameter, before[name])
        assert parameter.requires_grad
    assert ours.uncalibrated == ("unused.weight",)
    assert set(ours.tensors) == set(matrices(module)) - {"unused.weight"}
    errors = [np.square(outputs(module, made) - want).mean() for made in (ours, plain)]
    assert errors[0] < errors[1] / 2
    assert all(np.isfinite(e) and e > 0 for e in ours.errors.values())


def test_the_same_twice_and_the_same_from_the_cache(tmp_path: Path) -> None:
    module = Model().eval()
    first = run(module)
    for made in (run(module), run(module, cache=tmp_path), run(module, cache=tmp_path)):
        for name, tensor in first.tensors.items():
            np.testing.assert_array_equal(tensor.codes, made.tensors[name].codes)
            np.testing.assert_array_equal(tensor.scales, made.tensors[name].scales)
        for name, bias in first.biases.items():
            np.testing.assert_array_equal(bias, made.biases[name])
    stored = list(tmp_path.iterdir())
    assert len(stored) == 1
    assert {p.suffix for p in stored[0].iterdir()} == {".npy"}
    # other text, other folder; and what is read there is used: break it and see
    for path in stored[0].glob("1-*.npy"):
        np.save(path, np.load(path) + 1)
    assert not np.array_equal(
        run(module, cache=tmp_path).biases["blocks.0.out.bias"], first.biases["blocks.0.out.bias"]
    )
    with torch.no_grad():
        module.head.bias += 1
    run(module, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_biases_take_the_mean_error() -> None:
    module = Model().eval()
    made = run(module)
    want, got = outputs(module), outputs(module, made)
    plain = outputs(module, run(module, "rtn"))
    assert np.abs((got - want).mean(axis=0)).max() < 1e-4
    assert np.abs((plain - want).mean(axis=0)).max() > 1e-3
    # layers without a bias get none
    assert not any("down" in name or "up" in name for name in made.biases)


def test_rounded_activations_are_part_of_what_is_made_up_for() -> None:
    module = Model().eval()
    plain, aware = run(module), run(module, activations=Rounding(symmetric=False))
    assert not np.array_equal(plain.biases["head.bias"], aware.biases["head.bias"])


def test_mixed_grids_and_methods_by_name() -> None:
    module = Model().eval()
    grids = {n: Grid(8, "channel") if "head" in n else GRID for n in matrices(module)}
    made = calibrate(module, text(), grids, lambda n: get_method("rtn" if "head" in n else "gptq"))
    assert made.tensors["head.weight"].bits == 8
    assert made.tensors["blocks.0.out.weight"].bits == 3
    assert made.biases == {}


def test_a_nan_stops_everything_cleanly() -> None:
    import threading

    module = Model().eval()
    with torch.no_grad():
        module.blocks[1].up.weight[0, 0] = float("nan")
    threads = threading.active_count()
    with pytest.raises(CheckpointError, match="NaN"):
        run(module, guided=False)
    assert threading.active_count() == threads


def test_batches_hold_equal_lengths_and_every_row() -> None:
    rows = [{"input_ids": np.arange(n)} for n in (3, 5, 3, 4, 5)]
    batches = batches_of(rows)
    assert [b["input_ids"].shape for b in batches] == [(2, 3), (1, 4), (2, 5)]
    with pytest.raises(CasesError, match="empty"):
        batches_of([])
    with pytest.raises(CasesError, match="empty"):
        calibrate(Model(), [], {"head.weight": GRID}, get_method("rtn"))


def test_builtin_texts_their_hash_and_what_cases_share_with_them() -> None:
    texts = builtin_texts()
    assert len(texts) >= 1500
    assert len(texts_sha256(texts)) == 64
    assert texts_sha256(["ab", "c"]) != texts_sha256(["a", "bc"])
    assert texts_sha256(texts) != texts_sha256(texts[::-1])
    known = max(texts, key=len)
    assert shared_texts(texts, ["Nobody wrote this sentence before.", f" {known.upper()} "]) == [
        f" {known.upper()} "
    ]


def test_no_lane_is_left_when_the_module_fails() -> None:
    import threading

    class Breaks(Model):
        calls = 0

        def forward(self, input_ids: Any) -> Any:
            result = super().forward(input_ids)
            Breaks.calls += 1
            if Breaks.calls > 1:  # the probe passes
                raise ValueError("broken")
            return result

    threads = threading.active_count()
    module = Breaks().eval()
    grids = {"blocks.0.up.weight": GRID}
    # the lanes only run as far as they must: nothing after the last layer is computed
    calibrate(module, text(), grids, get_method("two-sided"), guided=False)
    assert threading.active_count() == threads
    Breaks.calls = 0
    with pytest.raises(ValueError, match="broken"):
        calibrate(module, text(), grids, get_method("two-sided"), guided=True)
    assert threading.active_count() == threads

import numpy as np
import pytest
from edgekit.converters.quantize.methods import get_method

from edgekit.audit.records import Contents, StoredTensor, Transform
from edgekit.audit.sketch import (
    LIMIT_MAX,
    LIMIT_RMS,
    deviations,
    from_arrays,
    make_sketch,
    to_arrays,
)
from edgekit.qtensor import QuantizedTensor
from edgekit.recipe import Grid

WEIGHT = np.random.default_rng(0).standard_normal((96, 128)).astype(np.float32) * 0.05


def quantized(bits: int = 8) -> QuantizedTensor:
    tensor, _ = get_method("rtn").quantize(WEIGHT, None, None, Grid(bits, "channel"))
    return tensor


def apart(values: np.ndarray, tensor: QuantizedTensor) -> np.ndarray:
    stored = StoredTensor("w", WEIGHT.shape, "matrix", Transform(), "int8", tensor.bits, {})
    found = Contents(values, tensor.steps() / np.float32(np.sqrt(12)), "int8", 0)
    return deviations(make_sketch(WEIGHT), stored, found)


def caught(values: np.ndarray, tensor: QuantizedTensor) -> bool:
    found = apart(values, tensor)
    return bool(found.max() > LIMIT_MAX or np.sqrt(np.square(found).mean()) > LIMIT_RMS)


@pytest.mark.parametrize("bits", [3, 4, 8])
def test_plain_rounding_is_one_standard_deviation_away(bits: int) -> None:
    tensor = quantized(bits)
    found = apart(tensor.dequantize(), tensor)
    assert 0.7 < np.sqrt(np.square(found).mean()) < 1.3
    assert not caught(tensor.dequantize(), tensor)


def test_defects_that_outputs_hardly_show_are_caught() -> None:
    tensor = quantized()
    good = tensor.dequantize()
    swapped = good.copy()
    swapped[[3, 4]] = swapped[[4, 3]]
    one_scale = good.copy()
    one_scale[7] *= 1.1
    one_column = good.copy()
    one_column[:, 9] = 0
    slightly = good.copy()
    slightly[11] *= 1.02
    for broken in (swapped, one_scale, one_column, slightly, good * 1.01, np.roll(good, 1, axis=1)):
        assert caught(broken, tensor)
    assert (
        caught(np.full_like(good, np.nan), tensor)
        or np.isnan(apart(np.full_like(good, np.nan), tensor)).any()
    )


def test_sketches_survive_the_file() -> None:
    sketches = {"b": make_sketch(WEIGHT), "a": make_sketch(WEIGHT[0])}
    back = from_arrays(to_arrays(sketches))
    for name, sketch in sketches.items():
        np.testing.assert_array_equal(back[name].rows, sketch.rows)
        np.testing.assert_array_equal(back[name].cols, sketch.cols)
        np.testing.assert_array_equal(back[name].energies, sketch.energies)


def test_vectors_are_kept_whole() -> None:
    bias = np.random.default_rng(1).standard_normal(50).astype(np.float32)
    assert np.abs(make_sketch(bias).cols).tolist() == np.abs(bias).tolist()

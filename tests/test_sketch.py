import numpy as np
import pytest
from edgekit.converters.quantize.methods import get_method

from edgekit.audit.records import Contents, StoredTensor, Transform
from edgekit.audit.sketch import (
    LIMIT_MAX,
    LIMIT_RMS,
    deviations,
    distance,
    from_arrays,
    make_sketch,
    to_arrays,
    worst_distance,
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


def clustered_apart(values: np.ndarray, source: np.ndarray, tensor: QuantizedTensor) -> float:
    """Distance over the most that rounding explains, for a clustered source."""
    stored = StoredTensor("w", source.shape, "matrix", Transform(), "int8", 8, {}, clusters=4)
    found = Contents(values, tensor.steps() / np.float32(np.sqrt(12)), "int8", 0)
    apart_by, luck = distance(make_sketch(source), stored, found)
    return apart_by / (worst_distance(found) * luck)


@pytest.mark.parametrize("centroids", [(-0.3, 0.11), (-0.07, 0.0013, 0.02, 0.1), (0.05, 0.0637)])
def test_clustered_weights_are_rounded_within_the_worst_case(centroids: tuple[float, ...]) -> None:
    source = np.random.default_rng(3).choice(np.float32(centroids), WEIGHT.shape)
    tensor, _ = get_method("rtn").quantize(source, None, None, Grid(8, "channel"))
    good = tensor.dequantize()
    assert clustered_apart(good, source, tensor) <= 1
    swapped = good.copy()
    swapped[[3, 4]] = swapped[[4, 3]]
    one_scale = good.copy()
    one_scale[7] *= 1.5
    for broken in (swapped, one_scale, good * 1.05, np.roll(good, 1, axis=1)):
        assert clustered_apart(broken, source, tensor) > 1


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

import keras
import numpy as np
import pytest

from s2s_zoo.layers.kernels import native


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_a_weight_takes_an_array_and_keeps_it(dtype):
    rng = np.random.default_rng(0)
    for value in (rng.normal(size=(300, 7)), rng.normal(size=(5, 3)).T, np.array(0.5)):
        variable = keras.Variable(np.zeros(value.shape), dtype=dtype)
        variable.assign(native.tensor(value.astype("float32"), dtype))
        found = keras.ops.convert_to_numpy(variable.value).astype("float64")
        np.testing.assert_allclose(found, value, rtol=1e-2 if dtype == "bfloat16" else 1e-3)
        variable.assign_add(np.ones(value.shape))
        again = keras.ops.convert_to_numpy(variable.value).astype("float64")
        np.testing.assert_allclose(again, value + 1, rtol=1e-2, atol=1e-2)


def test_an_empty_weight_has_its_shape():
    variable = keras.Variable(native.empty, shape=(3, 4), dtype="float16")
    assert tuple(variable.shape) == (3, 4) and variable.dtype == "float16"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("leading", [(), (2,), (2, 3)])
def test_a_product_with_the_transposed(dtype, leading):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(*leading, 4, 5)), rng.normal(size=(*leading, 6, 5))
    found = native.times_transposed(*(keras.ops.cast(z, dtype) for z in (x, y)))
    assert keras.backend.standardize_dtype(found.dtype) == dtype
    found = keras.ops.convert_to_numpy(keras.ops.cast(found, "float32"))
    expected = np.einsum("...id,...jd->...ij", x, y)
    np.testing.assert_allclose(found, expected, atol=1e-5 if dtype == "float32" else 0.1)

"""The TensorFlow kernels against the plain Keras path and against numbers worked in NumPy."""

import keras
import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from s2s_zoo.layers.kernels import products  # noqa: E402
from s2s_zoo.layers.kernels import softmax as kernels_softmax  # noqa: E402
from s2s_zoo.layers.kernels.compiled import compiled, kernels_available  # noqa: E402
from s2s_zoo.layers.recurrence import recurrent_layer, run_layer, step_layer  # noqa: E402
from s2s_zoo.training.losses import SmoothedCrossEntropy  # noqa: E402

pytestmark = pytest.mark.skipif(not kernels_available(), reason="the kernels are for CPU training")


def test_kernels_are_compiled_in_graphs_and_plain_outside():
    seen = []

    @compiled
    def double(x):
        seen.append(tf.executing_eagerly())
        return 2 * x

    assert double(tf.constant(3.0)) == 6 and seen == [True]
    graph = tf.function(double).get_concrete_function(tf.constant(3.0))
    assert seen == [True, False] and graph(tf.constant(4.0)) == 8
    calls = [op for op in graph.graph.get_operations() if "_XlaMustCompile" in op.node_def.attr]
    assert [call.get_attr("_XlaMustCompile") for call in calls] == [True]


def _keras(layer, x, mask=None, states=None):
    outputs, *states = layer(x, mask=mask, initial_state=states)
    return tf.reverse(outputs, [1]) if layer.go_backwards else outputs, states


def _trained(layer, x, mask=None, states=None):
    return run_layer(layer, x, mask, states, training=True)


def _values_and_gradients(run_it, layer, x, mask, states, upstream):
    @tf.function
    def run(x, h, c):
        with tf.GradientTape() as tape:
            tape.watch([x, h, c])
            outputs, finals = run_it(layer, x, mask, [h, c])
            if mask is not None:
                outputs = outputs * tf.cast(mask, outputs.dtype)[:, :, None]
            total = sum(
                tf.reduce_sum(value * weight)
                for value, weight in zip([outputs, *finals], upstream, strict=True)
            )
        weights = [v.value for v in layer.trainable_variables]
        return [outputs, *finals], tape.gradient(total, [x, h, c, *weights])

    return run(tf.constant(x), *map(tf.constant, states))


@pytest.mark.parametrize("run", [_trained, run_layer], ids=["training", "inference"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_lstm_kernel_equals_keras(run, reverse, masked):
    rng = np.random.default_rng(0)
    layer = recurrent_layer("lstm", 5, "layer", reverse=reverse)
    layer.build((None, None, 3))
    layer.set_weights([rng.normal(size=w.shape) for w in layer.weights])
    x = rng.normal(size=(4, 6, 3)).astype("float32")
    mask = np.arange(6) < np.array([[6], [1], [4], [3]]) if masked else None
    states = rng.normal(size=(2, 4, 5)).astype("float32")
    upstream = [rng.normal(size=s).astype("float32") for s in ((4, 6, 5), (4, 5), (4, 5))]
    kernel = _values_and_gradients(run, layer, x, mask, states, upstream)
    plain = _values_and_gradients(_keras, layer, x, mask, states, upstream)
    for ours, theirs in zip(keras.tree.flatten(kernel), keras.tree.flatten(plain), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_lstm_inference_keeps_a_length_it_does_not_know():
    layer = recurrent_layer("lstm", 4, "layer")
    layer.build((None, None, 3))

    @tf.function(input_signature=[tf.TensorSpec((None, None, 3))])
    def run(x):
        return run_layer(layer, x)[0]

    for length in (1, 7):
        x = tf.random.normal((2, length, 3))
        np.testing.assert_allclose(run(x), _keras(layer, x)[0], atol=1e-6)


def test_lstm_step_equals_keras(called):
    rng = np.random.default_rng(2)
    layer = recurrent_layer("lstm", 5, "layer")
    layer.build((None, None, 3))
    x, h, c = (tf.constant(rng.normal(size=(4, n)), "float32") for n in (3, 5, 5))
    ours, (new_h, new_c) = called(lambda: step_layer(layer, x, [h, c]))()
    theirs, states = layer.cell(x, [h, c])
    for a, b in zip((ours, new_h, new_c), (theirs, *states), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("size", [7, 8, 83])  # less than one part, whole parts, some left over
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_kernel_equals_numpy(smoothing, size, called):
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(2, 3, size)).astype("float32") * 4
    labels = rng.integers(0, size, (2, 3)).astype("int32")
    upstream = rng.normal(size=(2, 3)).astype("float32")
    z = tf.constant(logits)

    @called
    def run():
        with tf.GradientTape() as tape:
            tape.watch(z)
            loss = SmoothedCrossEntropy(smoothing).call(labels, z)
            total = tf.reduce_sum(loss * upstream)
        return loss, tape.gradient(total, z)

    loss, gradient = run()
    p = np.exp(logits - np.log(np.exp(logits).sum(-1, keepdims=True)))
    target = smoothing / size + (1 - smoothing) * np.eye(size)[labels]
    np.testing.assert_allclose(loss, -(target * np.log(p)).sum(-1), rtol=1e-5)
    np.testing.assert_allclose(gradient, upstream[..., None] * (p - target), atol=1e-6)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_cross_entropy_kernel_rounds_once_at_the_end(dtype, called):
    rng = np.random.default_rng(1)
    logits = tf.cast(rng.normal(size=(6, 83)) * 4, dtype)
    labels = rng.integers(0, 83, 6).astype("int32")

    def run(z):
        with tf.GradientTape() as tape:
            tape.watch(z)
            loss = kernels_softmax.cross_entropy(z[None], labels[None], 0.1)
        return loss, tape.gradient(loss, z)

    loss, gradient = called(run)(logits)
    in_full, wanted = run(tf.cast(logits, "float32"))
    np.testing.assert_allclose(loss, in_full, rtol=1e-6)
    assert gradient.dtype == dtype
    np.testing.assert_array_equal(tf.cast(gradient, "float32"), _cast_and_back(wanted, dtype))


def _cast_and_back(x, dtype):
    return tf.cast(tf.cast(x, dtype), "float32")


def test_rounding_is_that_of_a_cast():
    edges = [0.0, -0.0, 1.00390625, 1.01171875, 3.4e38, 1e-40, np.inf, -np.inf]
    x = tf.constant(np.append(np.random.default_rng(2).normal(size=999), edges), "float32")
    rounded = kernels_softmax.rounded(x, tf.bfloat16)
    np.testing.assert_array_equal(tf.cast(rounded, "float32"), _cast_and_back(x, "bfloat16"))
    assert np.isnan(float(kernels_softmax.rounded(tf.constant(np.nan), tf.bfloat16)))


@pytest.mark.parametrize("size", [7, 83])
def test_log_softmax_kernel_and_its_gradient_equal_numpy(size, called):
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(2, 3, size)).astype("float32") * 4
    upstream = rng.normal(size=(2, 3, size)).astype("float32")
    z = tf.constant(logits)

    @called
    def run():
        with tf.GradientTape() as tape:
            tape.watch(z)
            found = kernels_softmax.log_softmax(z, -8.0)
            total = tf.reduce_sum(found * upstream)
        return found, tape.gradient(total, z)

    found, gradient = run()
    expected = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    assert (expected < -8).any() and (expected > -8).any()
    np.testing.assert_allclose(found, np.maximum(expected, -8), rtol=1e-5, atol=1e-6)
    passed = np.where(expected > -8, upstream, 0)
    wanted = passed - np.exp(expected) * passed.sum(-1, keepdims=True)
    np.testing.assert_allclose(gradient, wanted, atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16"])
def test_kernels_keep_the_dtype_of_half_precision(policy, called):
    layer = recurrent_layer("lstm", 4, "layer")
    layer.dtype_policy = policy
    layer.build((None, None, 3))
    x = tf.cast(tf.random.normal((2, 5, 3)), "bfloat16")
    plain = tf.cast(_keras(layer, x)[0], "float32")
    for run in (_trained, run_layer):
        outputs, states = called(run)(layer, x)
        assert [t.dtype for t in (outputs, *states)] == [tf.bfloat16] * 3
        np.testing.assert_allclose(tf.cast(outputs, "float32"), plain, atol=0.03)
    h, states = called(step_layer)(layer, x[:, 0], states)
    assert [t.dtype for t in (h, *states)] == [tf.bfloat16] * 3


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_affine_and_its_gradients_are_those_of_a_product_and_a_sum(dtype, transposed, called):
    rng = np.random.default_rng(4)
    given = [tf.cast(rng.normal(size=s), dtype) for s in ((6, 5), (5, 7), (7,))]
    upstream = tf.cast(rng.normal(size=(6, 7)), dtype)

    def values(function):
        with tf.GradientTape() as tape:
            tape.watch(given)
            x, matrix, bias = given
            y = function(x, matrix, bias)
            total = tf.reduce_sum(y * tf.cast(upstream, y.dtype))
        return [tf.cast(value, "float32") for value in (y, *tape.gradient(total, given))]

    def affine(x, matrix, bias):
        matrix = tf.transpose(matrix) if transposed else matrix
        return products.affine(x, matrix, bias, transposed)

    ours = called(lambda: values(affine))()
    plain = values(lambda *xs: (lambda x, w, b: x @ w + b)(*[tf.cast(x, "float32") for x in xs]))
    for a, b in zip(ours, plain, strict=True):
        np.testing.assert_allclose(a, b, atol=0.05 if dtype == "bfloat16" else 1e-5)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("rows", [1, 3])
def test_affine_of_a_step_is_a_product_and_a_sum(rows, dtype, transposed, called):
    rng = np.random.default_rng(5)
    x, w, b = (rng.normal(size=s).astype("float32") for s in ((rows, 5), (5, 7), (7,)))
    matrix = w.T if transposed else w

    def affine(bias):
        given = [tf.cast(value, dtype) for value in (x, matrix, bias)]
        return tf.cast(products.step_affine(*given, transposed=transposed), "float32")

    for bias in (b, np.tile(b, (rows, 1))):
        found = called(affine)(tf.constant(bias))
        np.testing.assert_allclose(found, x @ w + b, atol=0.1 if dtype == "bfloat16" else 1e-5)


def test_of_a_single_row_in_half_precision_product_and_bias_are_one_operation():
    def has_one(rows, dtype):
        run = tf.function(products.step_affine)
        given = [tf.TensorSpec(shape, dtype) for shape in ((rows, 5), (5, 7), (7,))]
        graph = run.get_concrete_function(*given).graph
        return "BiasAdd" in {operation.type for operation in graph.get_operations()}

    assert has_one(1, tf.bfloat16)
    assert not has_one(3, tf.bfloat16) and not has_one(1, tf.float32)

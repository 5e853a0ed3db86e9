"""What unrolled loops share, against the plain Keras path and numbers worked in NumPy."""

import keras
import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from s2s_zoo.decoders import RecurrentDecoder  # noqa: E402
from s2s_zoo.layers.kernels import attention as kernels_attention  # noqa: E402
from s2s_zoo.layers.kernels import loop as kernels_loop  # noqa: E402
from s2s_zoo.layers.kernels import native  # noqa: E402
from s2s_zoo.layers.kernels.compiled import kernels_available  # noqa: E402
from s2s_zoo.protocol import EncoderOutput  # noqa: E402

pytestmark = pytest.mark.skipif(not kernels_available(), reason="the kernels are for CPU training")


def decoder_and_source(**options):
    keras.utils.set_random_seed(3)
    rng = np.random.default_rng(3)
    decoder = RecurrentDecoder(11, 6, 8, **options)
    memory, state = rng.normal(size=(3, 5, 10)), rng.normal(size=(3, 10))
    mask = np.arange(5) < np.array([[5], [2], [4]])
    source = [tf.constant(x, "float32") for x in (memory, state)]
    encoded = EncoderOutput(source[0], tf.constant(mask), source[1])
    target = tf.constant(rng.integers(1, 11, (3, 4)), "int32")
    decoder(target, encoded)
    for weight in decoder.weights:
        weight.assign(rng.normal(size=weight.shape) * 0.5)
    return decoder, encoded, target


def gradients(decoder, encoded, target, called):
    upstream = np.random.default_rng(4).normal(size=(3, 4, 11)).astype("float32")

    def run():
        with tf.GradientTape() as tape:
            tape.watch([encoded.memory, encoded.state])
            logits = decoder(target, encoded)
            total = tf.reduce_sum(logits * upstream)
        weights = [weight.value for weight in decoder.trainable_weights]
        found = tape.gradient(total, [encoded.memory, encoded.state, *weights])
        return logits, [tf.convert_to_tensor(x) for x in found]

    return called(run)()


WIRINGS = {
    "bahdanau-fed": {"attention": {"name": "bahdanau", "units": 7}, "input_feeding": True},
    "wide": {"attention": {"name": "bahdanau", "units": 16}, "input_feeding": True, "layers": 2},
    "luong-fed": {"attention": {"name": "luong", "score": "general"}, "input_feeding": True},
    "concat-fed": {
        "attention": {"name": "luong", "score": "concat", "units": 7},
        "input_feeding": True,
    },
    "previous": {"attention": {"name": "bahdanau", "units": 7}, "query": "previous"},
    "coverage": {"attention": {"name": "bahdanau", "units": 7, "coverage": True}},
    "normalized": {
        "attention": {"name": "bahdanau", "units": 7, "normalized": True},
        "input_feeding": True,
    },
    "all at once": {"attention": {"name": "bahdanau", "units": 16}},
}


@pytest.mark.parametrize("wiring", WIRINGS)
def test_gradients_through_a_decoder_are_those_of_plain_operations(wiring, called):
    case = decoder_and_source(**WIRINGS[wiring])
    logits, ours = gradients(*case, called)
    with native.plain_operations():
        plain_logits, plain = gradients(*case, lambda function: function)
    np.testing.assert_allclose(logits, plain_logits, atol=1e-5)
    assert len(ours) == len(plain) and all(np.any(x) for x in plain)
    for a, b in zip(ours, plain, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-4)


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("width", [7, 16])
def test_additive_scores_and_their_gradients_are_those_of_numpy(width, dtype, several, called):
    rng = np.random.default_rng(5)
    steps = (4,) if several else ()
    query = rng.normal(size=(2, *steps, width)).astype("float32")
    keys = rng.normal(size=(2, *(1,) * several, 5, width)).astype("float32")
    vector, upstream = rng.normal(size=width), rng.normal(size=(2, *steps, 5))
    given = [tf.cast(tf.constant(x, "float32"), dtype) for x in (query, keys, vector)]
    query, keys, vector = (np.array(tf.cast(x, "float32")) for x in given)

    def run():
        with tf.GradientTape() as tape:
            tape.watch(given)
            scores = kernels_attention.additive_scores(*given)
            total = tf.reduce_sum(tf.cast(scores, "float32") * upstream.astype("float32"))
        return scores, tape.gradient(total, given)

    scores, found = called(run)()
    hidden = np.tanh(query[..., None, :] + keys)
    inside = upstream[..., None] * vector * (1 - hidden**2)
    d_keys = inside.sum(1, keepdims=True) if several else inside
    d_vector = (upstream[..., None] * hidden).reshape(-1, width).sum(0)
    tolerance = {"rtol": 0.05, "atol": 0.1} if dtype == "bfloat16" else {"atol": 1e-5}
    for a, b in zip(
        (scores, *found), (hidden @ vector, inside.sum(-2), d_keys, d_vector), strict=True
    ):
        np.testing.assert_allclose(tf.cast(a, "float32"), b, **tolerance)


def test_a_loop_has_one_product_for_the_gradient_of_a_matrix():
    decoder, encoded, target = decoder_and_source(**WIRINGS["bahdanau-fed"])

    def shapes(plain):
        with native.plain_operations(plain):
            run = tf.function(lambda: gradients(decoder, encoded, target, lambda f: f))
            graph = run.get_concrete_function().graph
        products = [x for x in graph.get_operations() if x.type == "MatMul"]
        return [tuple(x.outputs[0].shape) for x in products]

    embedded, fed, state = 6, 8, 8
    assert shapes(False).count((embedded + fed + state + 1, 4 * state)) == 1
    assert shapes(True).count((embedded + fed, 4 * state)) == 4


def test_a_gradient_can_be_asked_for_twice():
    matrix, x = tf.Variable([[2.0], [3.0]]), tf.constant([[1.0, 4.0]])
    with tf.GradientTape(persistent=True) as tape:
        with kernels_loop.loop():
            products = [
                kernels_loop.affine(matrix, [n * x], lambda: (matrix.value(), None)) for n in (1, 2)
            ]
        total = products[0] + products[1] ** 2
    for _ in range(2):  # 14 and 28: dW = x + 2 * 28 * 2 x
        np.testing.assert_allclose(tape.gradient(total, matrix), 113 * x.numpy().T)
    np.testing.assert_allclose(tape.gradient(products[0], matrix), x.numpy().T)


def test_nothing_is_shared_outside_a_loop():
    assert not kernels_loop.inside()
    with kernels_loop.loop():
        assert kernels_loop.inside()
        with pytest.raises(ValueError, match="inside"), kernels_loop.loop():
            raise ValueError("inside")
        assert kernels_loop.inside()
    assert not kernels_loop.inside()

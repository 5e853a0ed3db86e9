"""Losses whose logits exist in parts."""

import keras
import numpy as np
import pytest

from s2s_zoo.model.seq2seq import Seq2Seq
from s2s_zoo.training.losses import SmoothedCrossEntropy
from tests.model.test_seq2seq import batch
from tests.variants import VOCABULARY, config


def trained(names, parts, policy="float32"):
    """Three losses, and the weights after them."""
    keras.utils.set_random_seed(0)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = Seq2Seq.from_config(config(*names))
    finally:
        keras.config.set_dtype_policy(before)
    compiled = keras.backend.backend() == "jax"
    model.compile(
        keras.optimizers.SGD(0.5),
        SmoothedCrossEntropy(0.1),
        loss_parts=parts,
        jit_compile=compiled,
        run_eagerly=parts == 1 and not compiled,
    )
    inputs, target, weights = batch(3, 5, 7)
    weights[1, 4:] = 0
    losses = [float(model.train_on_batch(inputs, target, weights)) for _ in range(3)]
    return losses, model.get_weights()


FLOAT, MIXED = ("float32", 1e-5), ("mixed_bfloat16", 2e-2)
DECODERS = [("lstm", *FLOAT), ("transformer", *MIXED)]
if keras.backend.backend() != "jax":  # which compiles a step for seconds
    DECODERS += [(name, *FLOAT) for name in ("conditional-gru", "transformer", "conv", "gnmt")]


@pytest.mark.parametrize("decoder, policy, tolerance", DECODERS)
def test_training_is_the_same_in_parts(decoder, policy, tolerance):
    names = ("bilstm", "luong-general", decoder)
    losses, weights = trained(names, 1, policy)
    in_parts, others = trained(names, 4, policy)  # of 21 tokens
    np.testing.assert_allclose(in_parts, losses, rtol=tolerance)
    for ours, theirs in zip(others, weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=tolerance)
    assert losses[2] < losses[0]


def test_losses_of_the_decoder_are_added():
    names = ("bilstm", "bahdanau", "show-attend-tell")  # the doubly stochastic penalty
    losses, _ = trained(names, 1)
    np.testing.assert_allclose(trained(names, 30)[0], losses, rtol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="graphs of TensorFlow")
@pytest.mark.parametrize("parts", [1, 4])
def test_no_tensor_holds_all_logits(parts):
    operations = operations_of_a_step(parts)
    shapes = [x.shape for operation in operations for x in operation.outputs]
    sizes = {shape.num_elements() for shape in shapes if shape.rank and shape[-1] == VOCABULARY}
    assert (4 * 10 * VOCABULARY in sizes) == (parts == 1)
    assert 4 * 10 // parts * VOCABULARY in sizes


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="graphs of TensorFlow")
def test_logits_are_made_once_and_gradients_do_not_wait_for_one_another():
    operations = operations_of_a_step(4)
    made = [x for x in operations if x.type == "MatMul" and x.outputs[0].shape == (10, VOCABULARY)]
    assert len(made) == 4
    # Of the matrix: that of one part and the sum of those before, never all of them at once.
    added = [x for x in operations if x.type == "AddN" and VOCABULARY in x.outputs[0].shape]
    assert all(len(x.inputs) <= 2 for x in added)


def operations_of_a_step(parts):
    """The operations of a training step of 4 rows and 10 target tokens."""
    import tensorflow as tf

    model = Seq2Seq.from_config(config("bilstm", "luong-general", "lstm"))
    model.compile("sgd", SmoothedCrossEntropy(), jit_compile=False, loss_parts=parts)
    data = tf.nest.map_structure(tf.convert_to_tensor, batch(4, 5, 10))
    graph = tf.function(model.train_step).get_concrete_function(data).graph
    graphs = [graph, *(f.graph for f in graph._functions.values() if hasattr(f, "graph"))]
    return [operation for g in graphs for operation in g.get_operations()]


def test_after_training_a_call_gives_logits():
    model = Seq2Seq.from_config(config("bilstm", "luong-general", "lstm"))
    model.compile("sgd", SmoothedCrossEntropy(), loss_parts=2)
    inputs, target, weights = batch(3, 5, 7)
    model.fit(inputs, target, sample_weight=weights, verbose=0)
    assert model(inputs, training=True).shape == (3, 7, VOCABULARY)
    assert model.evaluate(inputs, target, sample_weight=weights, verbose=0) > 0


@pytest.mark.parametrize(
    "options, received",
    [
        ({"loss_parts": 0, "loss": SmoothedCrossEntropy()}, "loss_parts=0"),
        ({"loss_parts": 2, "loss": "mse"}, "loss='mse'"),
        ({"loss_parts": 2, "loss": SmoothedCrossEntropy(), "metrics": ["accuracy"]}, "metrics"),
    ],
)
def test_what_cannot_be_in_parts_is_refused(options, received):
    model = Seq2Seq.from_config(config("bilstm", "luong-general", "lstm"))
    with pytest.raises(ValueError, match="Leave loss_parts out") as error:
        model.compile("sgd", **options)
    assert received in str(error.value)

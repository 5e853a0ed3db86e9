import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.training import on_tensorflow
from s2s_zoo.training.optimizers import Adam

STEPS = 5


def updated(kind, **options):
    """Weights after a few steps with the same gradients, and what the optimizer keeps."""
    rng = np.random.default_rng(0)
    start = [rng.normal(size=shape).astype("float32") for shape in ((7, 5), (5,), (3, 2, 4))]
    variables = [keras.Variable(x, name=f"weight_{i}") for i, x in enumerate(start)]
    optimizer = kind(0.01, beta_2=0.98, **options)
    optimizer.build(variables)
    for _ in range(STEPS):
        gradients = [rng.normal(size=x.shape).astype("float32") for x in start]
        optimizer.apply([ops.convert_to_tensor(x) for x in gradients], variables)
    return [ops.convert_to_numpy(x) for x in [*variables, *optimizer.variables]], optimizer


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"global_clipnorm": 0.5},
        {"gradient_accumulation_steps": 2},
        {"amsgrad": True},
        {"weight_decay": 0.1},
        {"epsilon": 0.3},
    ],
)
def test_updates_are_those_of_keras(options):
    ours, optimizer = updated(Adam, **options)
    theirs, reference = updated(keras.optimizers.Adam, **options)
    assert [x.path.split("/")[-1] for x in optimizer.variables] == [
        x.path.split("/")[-1] for x in reference.variables
    ]
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-7)


def test_moving_average_begins_with_little_memory():
    variable = keras.Variable([0.0, 10.0])
    optimizer = Adam(1.0, use_ema=True, ema_momentum=0.25)
    optimizer.build([variable])
    weights = []
    for _ in range(4):
        optimizer.apply([ops.convert_to_tensor([1.0, -1.0])], [variable])
        weights.append(ops.convert_to_numpy(variable).copy())
    expected = weights[0]
    for weight, momentum in zip(weights[1:], (2 / 11, 3 / 12, 0.25), strict=True):
        expected = momentum * expected + (1 - momentum) * weight
    (average,) = optimizer._model_variables_moving_average
    np.testing.assert_allclose(ops.convert_to_numpy(average), expected, rtol=1e-6)
    assert abs(weights[0][0]) > 0.9  # the weight from before the first step left no trace


def test_two_steps_worked_by_hand():
    variable = keras.Variable([1.0])
    optimizer = Adam(0.1, beta_1=0.5, beta_2=0.75, epsilon=0.0)
    optimizer.build([variable])
    for gradient in (2.0, -1.0):
        optimizer.apply([ops.convert_to_tensor([gradient])], [variable])
    # m = 1, then 0; v = 1, then 1; the first step is 0.1 * sqrt(.25) / .5 * 1 / 1, the second 0.
    np.testing.assert_allclose(ops.convert_to_numpy(variable), [0.9], rtol=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="operations of TensorFlow")
def test_dense_gradients_take_one_operation_and_sparse_ones_are_updated_too():
    import tensorflow as tf

    def operations(kind):
        variable = keras.Variable(np.ones((6, 2), "float32"))
        optimizer = kind(0.1)
        optimizer.build([variable])
        run = tf.function(lambda gradient: optimizer.apply([gradient], [variable]))
        graph = run.get_concrete_function(tf.ones((6, 2))).graph
        return {op.type for op in graph.get_operations()}

    assert "ResourceApplyAdam" in operations(Adam)
    assert "ResourceApplyAdam" not in operations(keras.optimizers.Adam)
    found = []
    for kind in (Adam, keras.optimizers.Adam):
        variable = keras.Variable(np.ones((6, 2), "float32"))
        optimizer = kind(0.1)
        optimizer.build([variable])
        rows = tf.IndexedSlices(tf.ones((2, 2)), tf.constant([1, 4]), tf.constant([6, 2]))
        optimizer.apply([rows], [variable])
        found.append(ops.convert_to_numpy(variable))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)


def test_another_backend_is_left_to_keras(monkeypatch):
    monkeypatch.setattr(on_tensorflow.keras.backend, "backend", lambda: "jax")
    assert not on_tensorflow.apply_adam(None, (None, None), None, 1, 0.1, (0.9, 0.99), 1e-7)


def test_a_training_with_averages_goes_on_in_a_second_fit():
    model = keras.Sequential([keras.layers.Dense(1, use_bias=False)])
    model.compile(Adam(0.1, use_ema=True, ema_momentum=0.9), "mse")
    x = np.arange(8, dtype="float32")[:, None]
    weights = []
    for _ in range(2):
        model.fit(x, 2 * x, verbose=0)
        weights.append(np.array(model.get_weights()[0]))
        np.testing.assert_array_equal(
            weights[-1], ops.convert_to_numpy(model.optimizer._model_variables_moving_average[0])
        )
    assert not np.array_equal(*weights)

"""The callbacks of Keras in `fit`."""

import importlib.util

import keras
import numpy as np
import pytest

from s2s_zoo import Seq2Seq, SmoothedCrossEntropy
from tests.model.test_checks import LABELS, inputs
from tests.variants import config

callbacks = keras.callbacks


def compiled(rate=0.01):
    keras.utils.set_random_seed(1)
    model = Seq2Seq.from_config(config("bilstm", "luong-general", "lstm"))
    model.compile(keras.optimizers.SGD(rate), SmoothedCrossEntropy(), run_eagerly=True)
    return model


def fit(model, *used, epochs=3, **options):
    data = inputs(), LABELS
    return model.fit(
        *data, validation_data=data, epochs=epochs, callbacks=list(used), verbose=0, **options
    )


def test_those_that_change_the_training(tmp_path):
    model, seen = compiled(), []
    history = fit(
        model,
        callbacks.LearningRateScheduler(lambda epoch, rate: 0.5 if epoch == 0 else rate),
        callbacks.ReduceLROnPlateau("val_loss", factor=0.1, patience=1, min_delta=1e9),
        callbacks.EarlyStopping("val_loss", patience=3, min_delta=1e9, restore_best_weights=True),
        callbacks.TerminateOnNaN(),
        callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs["val_loss"])),
        callbacks.CSVLogger(tmp_path / "log.csv"),
        epochs=9,
    )
    assert len(seen) == len(history.history["loss"]) == 4 < 9  # nothing is better by so much
    np.testing.assert_allclose(history.history["learning_rate"], [0.5, 0.5, 0.05, 0.005], rtol=1e-6)
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 5
    np.testing.assert_allclose(model.evaluate(inputs(), LABELS, verbose=0), seen[0], rtol=1e-5)


def test_a_loss_that_is_none_ends_the_training():
    model = compiled()
    weights = model.get_weights()
    model.set_weights([np.full_like(weight, np.nan) for weight in weights])
    assert len(fit(model, callbacks.TerminateOnNaN()).history["loss"]) == 1


@pytest.mark.parametrize("name", ["best.keras", "best.weights.h5"])
def test_what_a_checkpoint_of_keras_keeps_is_the_model(tmp_path, name):
    model, path = compiled(), tmp_path / name
    only = name.endswith("h5")
    fit(model, callbacks.ModelCheckpoint(path, save_weights_only=only), epochs=1)
    again = compiled() if only else keras.models.load_model(path)
    if only:
        again.load_weights(path)
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_training_that_was_cut_off_goes_on_where_it_stood(tmp_path):
    whole, cut, again = compiled(), compiled(), compiled()
    fit(whole)

    def stop(epoch, logs):
        if epoch == 1:
            raise KeyboardInterrupt

    folder = tmp_path / "backup"
    with pytest.raises(KeyboardInterrupt):
        fit(
            cut,
            callbacks.LambdaCallback(on_epoch_begin=stop),
            callbacks.BackupAndRestore(folder, delete_checkpoint=False),
        )
    history = fit(again, callbacks.BackupAndRestore(folder))
    assert history.epoch == [1, 2]
    for one, other in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_tensorboard(tmp_path):
    if importlib.util.find_spec("tensorboard") is None or (
        importlib.util.find_spec("tensorflow") is None
    ):
        pytest.skip("Keras writes for TensorBoard by TensorFlow")
    fit(compiled(), callbacks.TensorBoard(tmp_path, write_graph=False), epochs=1)
    assert {path.name for path in tmp_path.iterdir()} == {"train", "validation"}


def test_a_model_that_was_saved_before_its_training_loads_without_a_warning(tmp_path):
    model = compiled()
    model.compile("adam", SmoothedCrossEntropy(), run_eagerly=True)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(again.optimizer, keras.optimizers.Adam) and not again.optimizer.built
    fit(again, epochs=1)
    assert int(again.optimizer.iterations) == 1


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_callbacks_under_a_global_dtype_policy(tmp_path, policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model, seen = compiled(), []
        model.compile(
            keras.optimizers.Adam(0.1, use_ema=True), SmoothedCrossEntropy(), run_eagerly=True
        )
        history = fit(
            model,
            callbacks.LearningRateScheduler(lambda epoch, rate: rate),
            callbacks.ReduceLROnPlateau("val_loss", factor=0.1, patience=1, min_delta=1e9),
            callbacks.EarlyStopping("val_loss", patience=2, min_delta=1e9),
            callbacks.TerminateOnNaN(),
            callbacks.SwapEMAWeights(swap_on_epoch=True),
            callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs)),
            callbacks.CSVLogger(tmp_path / "log.csv"),
            callbacks.BackupAndRestore(tmp_path / "backup"),
            callbacks.ModelCheckpoint(tmp_path / "last.keras"),
            epochs=5,
        )
        again = keras.models.load_model(tmp_path / "last.keras")
    finally:
        keras.config.set_dtype_policy(before)
    assert len(seen) == 3 and history.history["learning_rate"][-1] < 0.1
    assert model.compute_dtype == policy.removeprefix("mixed_")
    assert again.dtype_policy.name == again.decoder.dtype_policy.name == policy
    losses = [x.evaluate(inputs(), LABELS, verbose=0) for x in (model, again)]
    assert np.isfinite(losses).all() and {str(w.dtype) for w in again.weights} == {"float32"}

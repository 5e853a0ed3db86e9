import json
import os
import subprocess
import sys
import warnings
import zipfile

import keras
import numpy as np
import pytest
from s2s_zoo.optimizers import Adam

import s2s_zoo
from s2s_zoo import Seq2Seq, SmoothedCrossEntropy
from tests.model.test_checks import LABELS, inputs
from tests.variants import config


def compiled(loss_parts=1):
    model = Seq2Seq.from_config(config("bilstm", "luong-general", "lstm"))
    optimizer = Adam(
        keras.optimizers.schedules.CosineDecay(0.1, 50), beta_2=0.98, clipnorm=1.0, use_ema=True
    )
    model.compile(optimizer, SmoothedCrossEntropy(0.1), run_eagerly=True, loss_parts=loss_parts)
    model.train_on_batch(inputs(), LABELS)
    return model


@pytest.mark.parametrize("loss_parts", [1, 2])
def test_a_keras_file_brings_back_the_loss_and_the_optimizer(tmp_path, loss_parts):
    model = compiled(loss_parts)
    model.save(tmp_path / "model.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(again.loss, SmoothedCrossEntropy) and again.loss.label_smoothing == 0.1
    assert type(again.optimizer) is Adam and again.loss_parts == loss_parts
    assert again.optimizer.get_config() == model.optimizer.get_config()
    for one, other in zip(model.optimizer.variables, again.optimizer.variables, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (one, other)))
    ours = [m.train_on_batch(inputs(), LABELS) for m in (model, again)]
    assert ours[0] == ours[1]
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_model_that_is_not_compiled_loads_as_such(tmp_path):
    Seq2Seq.from_config(config("bilstm", "luong-general", "lstm")).save(tmp_path / "model.keras")
    assert not keras.models.load_model(tmp_path / "model.keras").compiled


def test_the_file_of_another_backend_is_compiled_as_this_one_does(tmp_path):
    model = compiled()
    jax = keras.backend.backend() == "jax"
    elsewhere = {**model.get_compile_config(), "backend": "another", "jit_compile": not jax}
    elsewhere["run_eagerly"] = False
    assert model.get_compile_config()["backend"] == keras.backend.backend()
    model.compile_from_config(elsewhere)
    assert model.jit_compile == jax
    model.compile_from_config({**elsewhere, "backend": keras.backend.backend()})
    assert model.jit_compile == (not jax)


LOADS = {
    "keras first": "import keras, s2s_zoo; load = keras.models.load_model",
    "s2s_zoo first": "import s2s_zoo; load = s2s_zoo.load_model",
}


@pytest.mark.processes
@pytest.mark.parametrize("imports", LOADS.values(), ids=LOADS)
def test_a_new_process_knows_our_classes(tmp_path, imports):
    model = compiled()
    model.save(tmp_path / "model.keras")
    code = f"{imports}; model = load({str(tmp_path / 'model.keras')!r}); print(model.loss.name)"
    environment = {**os.environ, "KERAS_BACKEND": keras.backend.backend()}
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.returncode) == ("loss\n", 0), done.stderr


def test_every_registered_class_is_loaded_along_with_keras():
    """No file has a class for Keras that `import keras, s2s_zoo` would leave out."""
    package = os.path.dirname(s2s_zoo.__file__)
    code = (
        "import keras, s2s_zoo, json, sys; "
        "print(json.dumps([x for x in sys.modules if x.startswith('s2s_zoo')]))"
    )
    environment = {**os.environ, "KERAS_BACKEND": keras.backend.backend()}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    loaded = json.loads(done.stdout)
    for folder, _, names in os.walk(package):
        for name in names:
            path = os.path.join(folder, name)
            if not name.endswith(".py"):
                continue
            with open(path, encoding="utf-8") as file:
                registers = "@keras.saving.register_keras_serializable" in file.read()
            module = os.path.relpath(path, os.path.dirname(package))[:-3].replace(os.sep, ".")
            assert not registers or module in loaded


def test_a_file_holds_no_code(tmp_path):
    compiled().save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as file:
        found = json.loads(file.read("config.json"))
    assert found["registered_name"] == "s2s_zoo>Seq2Seq"
    assert found["compile_config"]["loss"]["registered_name"] == "s2s_zoo>SmoothedCrossEntropy"

"""A `.keras` file that somebody made up: no code of it runs, and nothing is written beside it."""

import json
import zipfile

import keras
import pytest

import s2s_zoo


@pytest.fixture
def parts(tmp_path):
    """{name: bytes} of a good file."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.save(tmp_path / "good.keras")
    with zipfile.ZipFile(tmp_path / "good.keras") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path, parts):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return path


def with_layer(parts, **layer):
    config = json.loads(parts["config.json"])
    config["config"]["layers"].append({"registered_name": None, **layer})
    return {**parts, "config.json": json.dumps(config)}


def test_a_lambda_is_refused(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Lambda(lambda x: x + 1)])
    model.save(tmp_path / "lambda.keras")
    with pytest.raises(ValueError, match="Lambda.*disallowed"):
        s2s_zoo.load_model(tmp_path / "lambda.keras")


def test_a_function_of_another_module_is_not_called(tmp_path, parts):
    command = {"command": f"touch {tmp_path / 'was_here'}"}
    parts = with_layer(parts, module="os", class_name="system", config=command)
    with pytest.raises((TypeError, ValueError)):
        s2s_zoo.load_model(write(tmp_path / "module.keras", parts))
    assert not (tmp_path / "was_here").exists()


@pytest.mark.filterwarnings("ignore:Skipping invalid path")
def test_nothing_is_written_outside(tmp_path, parts):
    outside = tmp_path / "outside"
    slips = {"../../outside": b"x", str(outside): b"x", "assets/../../../outside": b"x"}
    path = write(tmp_path / "slip.keras", {**parts, **slips})
    s2s_zoo.load_model(path)
    assert not outside.exists() and not list(tmp_path.parent.glob("outside"))

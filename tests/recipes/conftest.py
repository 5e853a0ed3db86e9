"""The recipes as a user runs them, on a few lines of data and a tiny model."""

import importlib.util
from pathlib import Path

import keras
import pytest

RECIPES = Path(__file__).parent.parent.parent / "recipes"


def recipe(task, script="train"):
    path = RECIPES / task / f"{script}.py"
    spec = importlib.util.spec_from_file_location(f"{task}_{script}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def float32_afterwards():
    yield
    keras.config.set_dtype_policy("float32")

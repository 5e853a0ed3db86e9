"""Processes that train together on loopback."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from s2s_zoo.training.distribution import ENVIRONMENT
from tests.conftest import SENTENCES

ROOT = Path(__file__).parents[3]
RECIPE = ROOT / "recipes" / "translation" / "train.py"

jax_only = pytest.mark.skipif(keras.backend.backend() != "jax", reason="several processes need JAX")


@contextlib.contextmanager
def starting(folder):
    """Gives a function that starts a Python script with the arguments; what runs last is ended.

    `process` and `address` make it one of two, `program` is what runs in place of Python, and
    `variables` are further ones of its environment.
    """
    running = []

    def start(*arguments, process=None, address=None, program=sys.executable, variables=()):
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "KERAS_BACKEND": keras.backend.backend(),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "XDG_CACHE_HOME": str(folder / "caches"),
            **dict(variables),
        }
        if address:
            environment |= zip(ENVIRONMENT, (address, "2", str(process)), strict=True)
        running.append(
            subprocess.Popen(
                [program, *map(str, arguments)],
                env=environment,
                cwd=ROOT,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        )
        return running[-1]

    try:
        yield start
    finally:
        for one in running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(one.pid, signal.SIGKILL)  # also what a shell started
            one.communicate()


@pytest.fixture
def start(tmp_path):
    """The function that starts a script: see `starting`."""
    with starting(tmp_path) as start:
        yield start


@pytest.fixture
def address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def arguments(tmp_path):
    """The recipe and its flags, but --output, for a few seconds of training."""
    data = tmp_path / "data"
    data.mkdir()
    for split, pairs in (("train", SENTENCES * 12), ("val", SENTENCES)):
        for language, column in (("de", 0), ("en", 1)):
            lines = "".join(pair[column] + "\n" for pair in pairs)
            (data / f"{split}.{language}").write_text(lines, encoding="utf-8")
    config = json.loads((RECIPE.parent / "config.json").read_text(encoding="utf-8"))
    config["tokenizer"]["vocabulary_size"] = 60
    config["model"]["encoder"].update(embedding_dim=8, units=4)
    config["model"]["decoder"].update(embedding_dim=8, units=8)
    config["training"].update(
        epochs=4, batch_tokens=128, max_shapes=1, warmup_steps=2, precision="float32"
    )
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    return [RECIPE, "--data", data, "--source", "de", "--target", "en", "--config", path]

"""What XLA compiles for a recipe: few shapes of batch, and once for all processes."""

import importlib.util
import json
import os
import random
import subprocess
import sys

import keras
import pytest

from s2s_zoo.data.buckets import COMPILED, TRACED, usual_shapes
from tests.recipes.conftest import RECIPES, recipe

SCRIPT = """
import collections, json, logging, sys

import jax

steps, events = [], collections.Counter()


class Compiled(logging.Handler):
    def emit(self, record):
        message = record.getMessage()
        if message.startswith("Compiling jit(train_step)"):
            steps.append(message)


jax.config.update("jax_log_compiles", True)
logging.getLogger("jax._src.interpreters.pxla").addHandler(Compiled())
jax.monitoring.register_event_listener(lambda event, **_: events.update([event]))
sys.path.insert(0, sys.argv[1])
import train

train.main(sys.argv[2:])
found = {kind: events[f"/jax/compilation_cache/cache_{kind}"] for kind in ("hits", "misses")}
print(json.dumps({"steps": len(steps), **found}))
"""


@pytest.fixture
def translation(tmp_path):
    """Command line of the translation recipe, tiny, on sentences of many lengths."""
    draw = random.Random(0)
    for split, count in (("train", 300), ("val", 4)):
        texts = [" ".join(draw.choices("abcdefgh", k=draw.randint(1, 12))) for _ in range(count)]
        for language in ("de", "en"):
            (tmp_path / f"{split}.{language}").write_text("\n".join(texts), encoding="utf-8")
    config = json.loads((RECIPES / "translation" / "config.json").read_text(encoding="utf-8"))
    config["tokenizer"]["vocabulary_size"] = 20
    config["model"]["encoder"].update(embedding_dim=4, units=2)
    config["model"]["decoder"].update(embedding_dim=4, units=4)
    config["training"].update(epochs=1, batch_tokens=128, warmup_steps=2, precision="float32")
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    data = ("--data", str(tmp_path), "--source", "de", "--target", "en")
    return [*data, "--config", str(path)]


def options_of_batches(arguments, tmp_path, monkeypatch):
    """What the recipe gives `Pipeline.batches`, which is as far as it gets."""
    training = recipe("translation")
    given = []

    def batches(self, pairs, **options):
        given.append(options)
        raise KeyboardInterrupt

    monkeypatch.setattr(training.s2s_zoo.Pipeline, "batches", batches)
    monkeypatch.setattr(training.s2s_zoo, "keep_compiled", lambda: None)
    with pytest.raises(KeyboardInterrupt):
        training.main([*arguments, "--output", str(tmp_path / "run")])
    return given[0]


def test_xla_gets_three_shapes_and_tensorflow_a_dozen(translation, tmp_path, monkeypatch):
    found = options_of_batches(translation, tmp_path, monkeypatch).get("max_shapes")
    assert (found or usual_shapes()) == (COMPILED if keras.backend.backend() == "jax" else TRACED)


@pytest.mark.parametrize(("flags", "shapes"), [([], 3), (["--max-shapes", "7"], 7)])
def test_a_step_compiled_by_xla_has_few_shapes_unless_told(
    translation, tmp_path, monkeypatch, flags, shapes
):
    arguments = [*translation, "--execution", "xla", *flags]
    assert options_of_batches(arguments, tmp_path, monkeypatch)["max_shapes"] == shapes


@pytest.mark.processes
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs JAX")
def test_jax_compiles_few_steps_and_a_second_process_none(translation, tmp_path):
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        "XDG_CACHE_HOME": str(tmp_path / "caches"),
    }
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    runs = []
    for name in ("first", "second"):
        command = [sys.executable, "-c", SCRIPT, str(RECIPES / "translation"), *translation]
        done = subprocess.run(
            [*command, "--output", str(tmp_path / name)],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    first, second = runs
    assert 2 <= first["steps"] <= 3 and first["misses"] > first["steps"]
    assert second["misses"] == 0 and second["hits"] >= first["misses"]
    logs = [(tmp_path / name / "report.json").read_text() for name in ("first", "second")]
    assert json.loads(logs[0])["best"] == json.loads(logs[1])["best"]

"""A second process has the search that a first one compiled, and from nobody but its user."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

SCRIPT = """
import collections, json, warnings

import jax
import numpy as np

import s2s_zoo

events = collections.Counter()
jax.monitoring.register_event_listener(lambda event, **_: events.update([event]))
warnings.simplefilter("always")
with warnings.catch_warnings(record=True) as caught:
    s2s_zoo.keep_compiled()
sizes = {"vocabulary_size": 9, "embedding_dim": 4, "units": 4}
model = s2s_zoo.Seq2Seq.from_config(
    {
        "encoder": {"name": "recurrent", **sizes},
        "decoder": {"name": "recurrent", **sizes, "attention": {"name": "luong"}},
    }
)
result = s2s_zoo.Generator(model, "beam", num_beams=2, max_length=5).generate(np.array([[4, 5, 2]]))
counts = {kind: events[f"/jax/compilation_cache/cache_{kind}"] for kind in ("hits", "misses")}
print(json.dumps({**counts, "warnings": [str(x.message) for x in caught]}))
"""

needs_jax = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs JAX")


def compiled_in(folder):
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("JAX_")},
        "KERAS_BACKEND": "jax",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        "XDG_CACHE_HOME": str(folder),
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@needs_jax
@pytest.mark.processes
def test_a_second_process_has_the_search_of_the_first(tmp_path):
    first, second = compiled_in(tmp_path), compiled_in(tmp_path)
    assert first["misses"] > 0 and first["warnings"] == []
    assert second["misses"] == 0 and second["hits"] >= first["misses"]
    if os.name == "posix":
        assert (tmp_path / "s2s_zoo" / "jax").stat().st_mode & 0o777 == 0o700


@needs_jax
@pytest.mark.processes
@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_nothing_is_taken_from_where_others_may_write(tmp_path):
    folder = tmp_path / "s2s_zoo" / "jax"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    found = compiled_in(tmp_path)
    assert found["hits"] == 0 and list(folder.iterdir()) == []
    assert "Every process compiles anew" in found["warnings"][0]


def test_the_command_line_keeps_what_is_compiled(monkeypatch):
    import s2s_zoo
    from s2s_zoo.apps.cli import shared

    calls = []
    monkeypatch.setattr(s2s_zoo, "keep_compiled", lambda: calls.append("keep"), raising=False)
    monkeypatch.setattr(s2s_zoo, "from_pretrained", lambda name: calls.append(name), raising=False)
    shared.load("any")
    assert calls == ["keep", "any"]

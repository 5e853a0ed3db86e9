"""Searches of single rows that XLA takes over where they are asked for often."""

import logging
import threading

import keras
import numpy as np
import pytest

from s2s_zoo.generation import tiered
from s2s_zoo.generation.tiered import TieredGenerator
from s2s_zoo.protocol import END, SearchResult


class Clock:
    seconds = 0.0

    def perf_counter(self):
        return self.seconds


class Fake:
    """A generator that takes its time on a clock of its own and writes down that it was asked."""

    def __init__(self, name, asked, clock, seconds=0.0, token=5, error=None, wait=None):
        self.name, self.asked, self.clock = name, asked, clock
        self.seconds, self.token, self.error, self.wait = seconds, token, error, wait

    def generate(self, source):
        if threading.current_thread() is threading.main_thread():
            self.asked.append(self.name)
        if self.error is not None:
            raise self.error
        if self.wait is not None:
            self.wait.wait()
        self.clock.seconds += self.seconds
        return SearchResult(np.array([[[self.token, END]]]), None, None)


def made(monkeypatch, graph=None, xla=None):
    """A tiered generator of fakes that compiles at the third call, and who is asked for answers."""
    clock, asked = Clock(), []
    monkeypatch.setattr(tiered, "OFTEN", 3)
    monkeypatch.setattr(tiered, "time", clock)

    def make(jit_compile=False):
        name, options = ("XLA", xla) if jit_compile else ("graph", graph)
        return Fake(name, asked, clock, **(options or {}))

    return TieredGenerator(make), asked


def settle():
    for thread in threading.enumerate():
        if thread.name == "s2s_zoo XLA":
            thread.join()


def answered_by(generator, asked, length):
    """Who answers one more call of a source of this length."""
    asked.clear()
    generator.generate(source=np.zeros((1, length), "int32"))
    settle()
    return asked[0]


def test_xla_takes_over_a_shape_that_is_asked_for_often(monkeypatch):
    generator, asked = made(monkeypatch, graph={"seconds": 0.01})
    assert [answered_by(generator, asked, 8) for _ in range(4)] == ["graph"] * 3 + ["XLA"]
    assert answered_by(generator, asked, 16) == "graph"  # another shape counts for itself
    assert answered_by(generator, asked, 8) == "XLA"


@pytest.mark.parametrize(
    "xla",
    [{"seconds": 0.02}, {"token": 6}, {"error": NotImplementedError("no such operation")}],
    ids=["slower", "other tokens", "cannot compile"],
)
def test_the_graph_keeps_what_xla_does_not_do_better(monkeypatch, caplog, xla):
    caplog.set_level(logging.INFO, logger=tiered.__name__)
    generator, asked = made(monkeypatch, graph={"seconds": 0.01}, xla=xla)
    assert [answered_by(generator, asked, 8) for _ in range(6)] == ["graph"] * 6
    assert ("did not compile" in caplog.text) == ("error" in xla)


def test_callers_do_not_wait_for_the_compilation(monkeypatch):
    compiled = threading.Event()
    generator, asked = made(monkeypatch, graph={"seconds": 1.0}, xla={"wait": compiled})
    for _ in range(10):
        generator.generate(source=np.zeros((1, 8), "int32"))
    assert asked == ["graph"] * 10
    compiled.set()
    settle()
    assert answered_by(generator, asked, 8) == "XLA"


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the others compile at once")
def test_a_pipeline_answers_the_same_before_and_after(tiny_pipeline, monkeypatch):
    monkeypatch.setattr(tiered, "OFTEN", 2)
    monkeypatch.setattr(
        TieredGenerator, "_timed", lambda self, g, x: (g.generate(**x), g is not self._xla)
    )
    texts = ["ein hund rennt", "eine katze schläft", "der mann liest ein buch"]
    answers = []
    for _ in range(4):
        answers.append([tiny_pipeline(text, num_beams=1) for text in texts])
        settle()
    assert answers[1:] == answers[:1] * 3
    kinds = [
        x for x in tiny_pipeline.searcher._generators.values() if isinstance(x, TieredGenerator)
    ]
    assert kinds and all(x._compiled for x in kinds)

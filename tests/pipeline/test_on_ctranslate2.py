"""A pipeline with CTranslate2 as its engine answers as Keras does, or says what it cannot do."""

import copy
import os
import sys

import numpy as np
import pytest

from s2s_zoo import Pipeline, from_pretrained
from s2s_zoo.apps import bulk
from s2s_zoo.apps.cli.main import main
from s2s_zoo.generation import Generator
from s2s_zoo.generation.searcher import Searcher
from s2s_zoo.pipeline import engines
from s2s_zoo.pipeline.engines import Engine
from s2s_zoo.pipeline.fingerprint import fingerprint
from s2s_zoo.protocol import END
from s2s_zoo.protocol.errors import CheckpointError
from tests.pipeline.random_transformer import KINDS, random_pipeline, random_rows

pytest.importorskip("ctranslate2", reason="needs pip install 's2s-zoo[ctranslate2]'")
TEXTS = ["ein hund rennt", "", "die frau trinkt wasser im garten", "zwei hunde. ein kind liest!"]


@pytest.fixture(autouse=True, scope="module")
def eager():
    """Keras compiles nothing: each search of it runs once."""

    def generator(self, strategy, settings, inputs, rows):
        return Generator(self.model, strategy, **settings, run_eagerly=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Searcher, "_generator", generator)
        yield


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder / "s2s_zoo" / "ctranslate2"


def with_engine(pipeline, dtype="float32"):
    parts = pipeline.task, pipeline.model, pipeline.processor, pipeline.settings
    return Pipeline(*parts, pipeline.languages, engine=Engine("ctranslate2", dtype))


@pytest.fixture(scope="module", params=KINDS)
def pair(request):
    """The same pipeline in Keras and in CTranslate2."""
    pipeline = random_pipeline(request.param)
    return pipeline, with_engine(pipeline)


@pytest.fixture(scope="module")
def post():
    pipeline = random_pipeline("post")
    return pipeline, with_engine(pipeline)


@pytest.fixture
def in_keras(monkeypatch):
    """How many rows Keras was asked for, in each of its searches."""
    counts, run = [], Searcher.run

    def counted(self, search, rows, *args):
        counts.append(len(rows))
        return run(self, search, rows, *args)

    monkeypatch.setattr(Searcher, "run", counted)
    return counts


def compared(pair, rows, in_keras, **options):
    """Compares all of two searches.

    Returns:
        The rows that CTranslate2 left to Keras, and how many different texts there are.
    """
    keras, engine = pair
    search = engine.plan(options, True, True)
    found = engine.searcher.run(search, rows)
    left = sum(in_keras)
    wanted = keras.searcher.run(search, rows)
    _, _, length, width = found.alignments.shape
    np.testing.assert_array_equal(found.tokens, wanted.tokens[:, :, :length])
    assert not wanted.tokens[:, :, length:].any()
    np.testing.assert_allclose(found.scores, wanted.scores, rtol=1e-4, atol=1e-4)
    aligned = wanted.alignments[:, :, :length, :width]
    np.testing.assert_allclose(found.alignments, aligned, atol=1e-4)
    return left, len({tuple(row) for row in found.tokens[:, 0]})


@pytest.mark.parametrize(
    "options",
    [
        {"num_beams": 1},
        {"num_beams": 4, "num_return": 3},
        {"num_beams": 3, "length_penalty": 0.0, "no_repeat_ngram_size": 2, "min_length": 3},
    ],
    ids=["greedy", "beams", "rules"],
)
def test_200_sentences(pair, in_keras, options):
    rows = random_rows(pair[0])
    left, different = compared(pair, rows, in_keras, **options)
    assert len(rows) == 200 and different > 15 and left < (150 if options["num_beams"] > 1 else 1)


def test_how_every_text_begins(post, in_keras):
    rows, prefix = random_rows(post[0], 24), {"forced_prefix": "the"}
    assert compared(post, rows, in_keras, num_beams=1, score_forced=False, **prefix)[0] == 0
    in_keras.clear()
    assert compared(post, rows, in_keras, num_beams=1, **prefix)[0] == 0
    beams = {"num_beams": 3, "score_forced": False, "min_length": 6}
    compared(post, rows, in_keras, **prefix, **beams)


def test_limits_are_those_of_keras(post, in_keras):
    rows = random_rows(post[0], 24)
    assert compared(post, rows, in_keras, num_beams=1, max_length=4)[0] == 0
    in_keras.clear()
    assert compared(post, rows, in_keras, num_beams=1, max_length=4, score_forced=False)[0] == 0
    in_keras.clear()
    assert compared(post, rows, in_keras, num_beams=3, max_length=4)[0] > 0


def test_a_source_that_it_takes_for_empty(post, in_keras):
    rows = [np.array([END, 7], "int32"), np.array([9, END], "int32")]
    assert compared(post, rows, in_keras, num_beams=1)[0] == 1


def test_texts_streams_and_scores(post):
    keras, engine = post
    beams = {"early_stopping": True, "renormalize": True, "num_beams": 2, "num_return": 2}
    wanted = keras(TEXTS, return_scores=True, **beams)
    found = engine(TEXTS, return_scores=True, num_beams=2, num_return=2)
    assert [[x.text for x in xs] for xs in found] == [[x.text for x in xs] for xs in wanted]
    last = [*engine.stream(TEXTS[0], num_beams=1)]
    whole = engine(TEXTS[0], num_beams=1, return_scores=True)
    assert last[-1].text == whole.text == keras(TEXTS[0], num_beams=1)
    np.testing.assert_allclose(last[-1].score, whole.score, rtol=1e-5)
    assert [len(x.target_tokens) for x in last] == list(range(1, len(last) + 1))
    targets = ["a dog runs", "the woman"]
    np.testing.assert_allclose(
        engine.score(TEXTS[::2], targets), keras.score(TEXTS[::2], targets), rtol=1e-4
    )
    with pytest.raises(ValueError, match="none of a stream. Received: return_alignment=True"):
        next(engine.stream(TEXTS[0], num_beams=1, return_alignment=True))


@pytest.mark.parametrize(
    "options, reason",
    [
        ({"strategy": "sample"}, "numbers of its own.*without engine="),
        ({"early_stopping": False}, "early_stopping=True. Received: early_stopping=False"),
        ({"renormalize": False}, "renormalize=True. Received: renormalize=False"),
        ({"repetition_penalty": 1.5}, "repetition_penalty=1.5. Leave it out"),
        ({"num_beams": 1, "max_length": 5000}, "knows 1024 positions"),
        ({"forced_prefix": "a"}, "Use score_forced=False, min_length="),
    ],
)
def test_what_it_does_otherwise_is_refused(post, options, reason):
    with pytest.raises(ValueError, match=reason):
        post[1](TEXTS, **options)


def test_its_settings_are_seen_and_it_does_not_train(post, sentences):
    keras, engine = post
    assert engine.generation["early_stopping"] is engine.generation["renormalize"] is True
    assert "early_stopping" not in keras.generation
    assert "engine: ctranslate2 float32" in repr(engine) and "engine" not in repr(keras)
    assert fingerprint(engine) != fingerprint(keras)
    for train in (lambda: engine.batches(sentences), engine.compile):
        with pytest.raises(ValueError, match="does not train.*Load the checkpoint without it"):
            train()


def test_languages_begin_every_text():
    imported = {"num_beams": 4, "forced_prefix": "", "score_forced": False}
    found = engines.settings_of(imported)
    assert (found["min_length"], found["score_forced"]) == (2, False)
    assert "min_length" not in engines.settings_of({"num_beams": 1, "forced_prefix": ""})


def test_a_model_is_converted_once(post, cache, monkeypatch):
    converted, write = [], engines.write_model

    def counted(*args):
        converted.append(args[-1])
        write(*args)

    monkeypatch.setattr(engines, "write_model", counted)
    keras, engine = post
    same = copy.deepcopy(engine)
    assert same(TEXTS[0], num_beams=1) == engine(TEXTS[0], num_beams=1)
    assert with_engine(keras).engine == same.engine and converted == []
    small = with_engine(keras, "int8")
    assert converted == ["int8"] and small(TEXTS[0])
    for file in cache.glob("*/model.bin"):
        file.write_bytes(b"cut")
    with_engine(keras)
    assert converted == ["int8", "float32"]
    weight = keras.model.weights[0]
    weight.assign(weight + 1e-3)
    with_engine(keras)
    weight.assign(weight - 1e-3)
    assert converted == ["int8", "float32", "float32"]
    assert not list(cache.glob(".converting-*"))


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_the_cache_is_of_its_user_alone(post, cache):
    assert cache.stat().st_mode & 0o777 == 0o700
    cache.chmod(0o770)
    try:
        with pytest.raises(CheckpointError, match="by its user alone.*mode 770"):
            with_engine(post[0])
    finally:
        cache.chmod(0o700)


def test_by_command_and_in_bulk(post, tmp_path, capsys):
    post[0].save(tmp_path / "saved")
    wanted = post[1](TEXTS[0], num_beams=1)
    asked = ["translate", "--model", str(tmp_path / "saved"), "--num-beams", "1", TEXTS[0]]
    assert main([*asked, "--engine", "ctranslate2"]) == 0
    assert capsys.readouterr().out == wanted + "\n"
    assert main([*asked, "--engine", "ctranslate2", "--dtype", "int3"]) == 1
    assert "CTranslate2 computes in" in capsys.readouterr().err
    writer = bulk.Writer(tmp_path / "saved", engine="ctranslate2", num_beams=1)
    assert writer([{"text": TEXTS[0]}])[0]["output"] == wanted
    assert bulk.loaded(writer.model, "ctranslate2").engine == ("ctranslate2", "float32")


def test_by_name(post, tiny_checkpoint, tmp_path, monkeypatch):
    post[0].save(tmp_path / "saved")
    engine = from_pretrained(tmp_path / "saved", engine="ctranslate2", dtype="int8")
    assert engine.engine == ("ctranslate2", "int8")
    assert engine.model.compute_dtype == "float32"
    assert isinstance(engine(TEXTS[0]), str)
    with pytest.raises(ValueError, match="Unknown engine. Received: 'ctranslate'"):
        from_pretrained(tmp_path / "saved", engine="ctranslate")
    with pytest.raises(ValueError, match="float32, int8.*Received: dtype='int3'"):
        from_pretrained(tmp_path / "saved", engine="ctranslate2", dtype="int3")
    with pytest.raises(CheckpointError, match="RecurrentEncoder, no TransformerEncoder"):
        from_pretrained(tiny_checkpoint, engine="ctranslate2")
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    with pytest.raises(CheckpointError, match="pip install 's2s-zoo\\[ctranslate2\\]'"):
        from_pretrained(tmp_path / "saved", engine="ctranslate2")

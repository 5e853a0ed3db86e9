"""Raw text in, text out: order, options, bad input, training and saving."""

import itertools
import json
import shutil

import numpy as np
import pytest

import s2s_zoo
from s2s_zoo import Pipeline, from_pretrained
from s2s_zoo.generation import normalise
from s2s_zoo.pipeline.answering import WINDOW
from s2s_zoo.pipeline.result import Result
from s2s_zoo.protocol import END
from s2s_zoo.protocol.errors import CheckpointError


@pytest.fixture(scope="module")
def pipeline(tiny_checkpoint):
    return from_pretrained(tiny_checkpoint)


@pytest.fixture
def sources(sentences):
    return [source for source, _ in sentences]


def test_one_text_and_a_list_and_a_stream(pipeline, sources):
    alone = [pipeline(source) for source in sources]
    assert all(isinstance(text, str) and text for text in alone)
    assert len(set(alone)) > 2
    assert pipeline(sources) == alone
    assert pipeline(tuple(sources)) == alone
    assert list(pipeline(iter(sources))) == alone
    assert pipeline([]) == []


def test_the_answer_does_not_depend_on_the_batch(pipeline, sources):
    expected = pipeline(sources)
    for batch_size in (1, 2, 5):
        assert pipeline(sources, batch_size=batch_size) == expected
    assert pipeline(sources[::-1]) == expected[::-1]
    assert pipeline(sources * 3) == expected * 3


def test_a_stream_is_read_a_window_at_a_time(pipeline):
    read = []

    def endless():
        for number in itertools.count():
            read.append(number)
            yield "" if number % WINDOW else "ein hund"

    answers = pipeline(endless())
    assert not read
    assert next(answers) == pipeline("ein hund")
    assert len(read) == WINDOW
    assert list(itertools.islice(answers, WINDOW)) == [""] * (WINDOW - 1) + [pipeline("ein hund")]
    assert len(read) == 2 * WINDOW


@pytest.mark.parametrize("blank", ["", " ", "\t \n", "\u3000", "\u200b"])
def test_blank_text_is_answered_without_the_model(pipeline, monkeypatch, blank):
    monkeypatch.setattr(pipeline.searcher, "run", None)
    assert pipeline(blank) == ""
    assert pipeline([blank, blank]) == ["", ""]
    assert pipeline(blank, num_return=2, return_scores=True) == [Result("")] * 2


def test_blank_text_keeps_its_place(pipeline):
    answers = pipeline(["", "ein hund", " ", "zwei hunde"])
    assert answers == ["", pipeline("ein hund"), "", pipeline("zwei hunde")]


@pytest.mark.parametrize("text", ["👩‍🚀🚀", "ჰაერი", "ein\0hund", "a" * 60, "\ud800"])
def test_strange_text_is_answered(pipeline, text):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of these are cut
        assert isinstance(pipeline(text), str)


def test_long_text_is_cut_with_a_warning(pipeline):
    with pytest.warns(UserWarning, match="1 of 2 source texts are longer than 24 tokens"):
        answers = pipeline(["ein hund", "hund " * 2000], split=False)
    assert len(answers) == 2
    with pytest.warns(UserWarning, match="longer than the model takes and was parted"):
        assert len(pipeline("hund " * 60)) > 60


@pytest.mark.parametrize("value", [None, 3, b"ein hund", {"text": "ein hund"}, ["ein", 3]])
def test_only_text_is_accepted(pipeline, value):
    with pytest.raises(TypeError, match="expected text.*Received: (NoneType|int|bytes|dict)"):
        pipeline(value)
    with pytest.raises(TypeError, match="expected text"):
        list(pipeline(iter([value])))


def test_numbers_of_numpy_are_checked_as_others_are(pipeline):
    assert pipeline("ein hund", num_beams=np.int64(2)) == pipeline("ein hund", num_beams=2)
    with pytest.raises(ValueError, match="temperature above 0. Received: temperature=nan"):
        pipeline("ein hund", strategy="sample", temperature=np.float32("nan"))
    with pytest.raises(ValueError, match="min_length of at least 0. Received: min_length=-3"):
        pipeline("ein hund", min_length=np.int64(-3))


def test_a_length_past_all_numbers_is_refused_and_gives_no_empty_answer(pipeline):
    for length in (1 << 31, 1 << 40):
        with pytest.raises(ValueError, match=f"max_length.*Received: max_length={length}"):
            pipeline("ein hund", max_length=length)
    with pytest.raises(ValueError, match="stream expected max_length of at most 1048576"):
        pipeline.stream("ein hund", max_length=1 << 30)
    with pytest.raises(TypeError, match="forced_prefix to be a str. Received: int 5"):
        pipeline("ein hund", forced_prefix=5)


def streamed(pipeline, source, **options):
    """All results of a stream, and beside them that of a call."""
    call = {"return_scores": True, "return_alignment": True, "num_beams": 1, **options}
    return list(pipeline.stream(source, return_alignment=True, **options)), pipeline(source, **call)


@pytest.mark.parametrize("options", [{}, {"min_length": 6}, {"forced_prefix": "a dog"}])
def test_a_stream_of_tokens_ends_as_the_call(pipeline, sources, options):
    for source in sources[:3]:
        results, expected = streamed(pipeline, source, **options)
        last = results[-1]
        assert last[:1] == expected[:1] and last[2:4] == expected[2:4]
        assert last.score == pytest.approx(expected.score, abs=1e-4)
        np.testing.assert_allclose(last.alignment, expected.alignment, atol=1e-5)
        assert [len(result.target_tokens) for result in results] == [
            *range(1, 1 + len(last.target_tokens))
        ]
        for result in results:
            assert result.target_tokens == last.target_tokens[: len(result.target_tokens)]
            assert result.source_tokens == last.source_tokens
            assert result.alignment.shape == (len(result.target_tokens), len(last.source_tokens))


def test_a_stream_without_alignment(pipeline):
    *_, last = pipeline.stream("ein hund rennt")
    assert last.alignment is None and last.text == pipeline("ein hund rennt", num_beams=1)


@pytest.mark.parametrize("blank", ["", " \t", "\u200b"])
def test_a_stream_of_blank_text(pipeline, blank):
    assert list(pipeline.stream(blank)) == [Result("")]


def test_a_stream_refuses_at_once(pipeline):
    with pytest.raises(ValueError, match="most probable token.*strategy='beam'"):
        pipeline.stream("ein hund", strategy="beam")
    with pytest.raises(ValueError, match="'num_beams' belongs to strategy='beam'"):
        pipeline.stream("ein hund", num_beams=3)
    with pytest.raises(ValueError, match="Did you mean 'min_length'"):
        pipeline.stream("ein hund", min_lenght=3)
    with pytest.raises(ValueError, match="one source. Received: list"):
        pipeline.stream(["ein hund"])
    with pytest.raises(TypeError, match="expected text"):
        pipeline.stream(3)


def test_n_best(pipeline, sources):
    best = pipeline(sources, num_beams=4, num_return=3, return_scores=True)
    for hypotheses in best:
        assert len(hypotheses) == 3
        scores = [hypothesis.score for hypothesis in hypotheses]
        assert scores == sorted(scores, reverse=True)
    texts = pipeline(sources, num_beams=4, num_return=3)
    assert texts == [[hypothesis.text for hypothesis in hypotheses] for hypotheses in best]
    assert [hypotheses[0] for hypotheses in texts] == pipeline(sources, num_beams=4)


@pytest.mark.parametrize("options", [{"num_beams": 1}, {"strategy": "sample", "seed": 3}, {}])
def test_alignment_and_tokens(pipeline, options):
    results = pipeline(["ein hund", "das kind spielt"], return_alignment=True, **options)
    for result in results:
        assert result.source_tokens[-1] == result.target_tokens[-1] == "</s>"
        assert "".join(result.target_tokens[:-1]).replace("▁", " ").strip() == result.text
        shape = (len(result.target_tokens), len(result.source_tokens))
        assert result.alignment.shape == shape
        np.testing.assert_allclose(result.alignment.sum(axis=1), 1, rtol=1e-5)
    assert "".join(results[0].source_tokens) == "▁ein▁hund</s>"


def test_score_is_what_the_search_reports_for_the_same_text(pipeline, sentences):
    for source, target in sentences[:3]:
        (log_prob,), (length,) = pipeline.score([source], [target], return_lengths=True)
        same = {"forced_prefix": target, "max_length": int(length), "return_scores": True}
        greedy = pipeline(source, num_beams=1, **same)
        beam = pipeline(source, num_beams=2, length_penalty=0.7, **same)
        assert greedy.text == beam.text == target
        np.testing.assert_allclose(greedy.score, log_prob, rtol=1e-5)
        normalised = normalise(log_prob, length, length_penalty=0.7)
        np.testing.assert_allclose(beam.score, float(normalised), rtol=1e-5)


def test_score_does_not_depend_on_the_batch(pipeline, sentences):
    sources, targets = zip(*sentences, strict=True)
    together = pipeline.score(sources, targets)
    alone = [pipeline.score([source], [target])[0] for source, target in sentences]
    np.testing.assert_allclose(together, alone, rtol=1e-5)
    assert (together < 0).all()
    assert pipeline.score([], []).shape == (0,)


def test_score_bad_input(pipeline):
    with pytest.raises(ValueError, match="2 sources, 1 targets"):
        pipeline.score(["a", "b"], ["a"])
    with pytest.raises(TypeError, match="int 3"):
        pipeline.score(["a"], [3])


def test_greedy_is_one_beam(pipeline, sources):
    greedy = pipeline(sources, strategy="greedy")
    assert pipeline(sources, num_beams=1) == greedy
    assert pipeline(sources, strategy="beam", num_beams=1) == greedy
    assert pipeline(sources, num_beams=3) != greedy
    scores = [r.score for r in pipeline(sources, num_beams=1, return_scores=True)]
    assert all(score < 0 for score in scores)


def test_sampling_is_reproducible_by_its_seed(pipeline, sources):
    def draw(seed):
        return pipeline(sources, strategy="sample", seed=seed, temperature=2.0)

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
    free = [pipeline(sources, strategy="sample") for _ in range(2)]
    assert free[0] != free[1]


def test_rules_reach_the_search(pipeline, sources):
    short = pipeline(sources, max_length=4, return_scores=True)
    assert max(len(result.target_tokens) for result in short) == 4
    long = pipeline(sources, max_length=12, min_length=11, return_scores=True)
    assert {len(result.target_tokens) for result in long} == {12}
    for result in pipeline(sources, forced_prefix="the dog", num_beams=1, return_scores=True):
        assert result.text.startswith("the dog")
    assert pipeline(sources, forced_prefix="") == pipeline(sources)
    for text in pipeline(sources, suppress_tokens=list(range(3, 60)), num_beams=1):
        assert text == ""


def test_the_limit_of_a_text_follows_its_length(pipeline):
    """Two tokens and END allow 2 * 3 + 10 tokens, more than the source alone never needs."""
    result = pipeline("ein hund", suppress_tokens=[END], num_beams=1, return_scores=True)
    assert len(result.source_tokens) == 3
    assert len(result.target_tokens) == 16
    longer = pipeline("ein hund", min_length=19, num_beams=1, return_scores=True)
    assert len(longer.target_tokens) == 20  # what is asked for goes before it


@pytest.mark.parametrize(
    "options, message",
    [
        ({"num_beem": 2}, "Unknown option.*Did you mean 'num_beams'"),
        ({"tempreature": 2}, "Did you mean 'temperature'"),
        ({"temperature": 0.5}, "'temperature' belongs to strategy='sample'.*strategy='beam'"),
        ({"seed": 1}, "'seed' belongs to strategy='sample'"),
        ({"strategy": "greedy", "length_penalty": 1}, "'length_penalty' belongs to .*'beam'"),
        ({"strategy": "gredy"}, "Did you mean 'greedy'"),
        ({"num_beams": 2, "num_return": 3}, "num_return=3, num_beams=2"),
        ({"num_beams": 0}, "num_beams of at least 1. Received: num_beams=0"),
        ({"max_length": 0}, "max_length of at least 1"),
        ({"batch_size": 0}, "batch_size of at least 1"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
    ],
)
def test_options_that_cannot_be_used(pipeline, options, message):
    with pytest.raises(ValueError, match=message):
        pipeline("ein hund", **options)


def test_defaults_come_from_the_checkpoint(pipeline, tiny_checkpoint, tmp_path, sources):
    copy = shutil.copytree(tiny_checkpoint, tmp_path / "copy")
    (copy / "generation.json").write_text(json.dumps({"num_beams": 1, "max_length": 3}))
    other = from_pretrained(copy)
    assert other(sources) == pipeline(sources, num_beams=1, max_length=3)
    (copy / "generation.json").write_text(json.dumps({"forced_prefix": "the", "seed": 3}))
    other = from_pretrained(copy)
    assert other(sources) == pipeline(sources, num_beams=1, forced_prefix="the")
    assert other(sources, strategy="sample") == other(sources, strategy="sample", seed=3)
    (copy / "generation.json").write_text(json.dumps({"num_beem": 1}))
    with pytest.raises(CheckpointError, match="Did you mean 'num_beams'"):
        from_pretrained(copy)


def test_save_and_reload_gives_the_same_to_the_bit(pipeline, sentences, sources, tmp_path):
    pipeline.save(tmp_path / "again")
    again = from_pretrained(str(tmp_path / "again"))
    assert again.languages == ["de", "en"]
    assert again.generation == pipeline.generation
    expected = pipeline(sources, return_alignment=True)
    for ours, theirs in zip(again(sources, return_alignment=True), expected, strict=True):
        assert ours[:4] == theirs[:4]
        np.testing.assert_array_equal(ours.alignment, theirs.alignment)
    targets = [target for _, target in sentences]
    np.testing.assert_array_equal(again.score(sources, targets), pipeline.score(sources, targets))


@pytest.mark.parametrize("dtype", ["bfloat16", "mixed_bfloat16"])
def test_dtype(pipeline, tiny_checkpoint, sentences, sources, dtype):
    half = from_pretrained(tiny_checkpoint, dtype=dtype)
    assert half.model.decoder.compute_dtype == "bfloat16"
    assert half.model.decoder.variable_dtype == ("bfloat16" if dtype == "bfloat16" else "float32")
    assert from_pretrained(tiny_checkpoint).model.decoder.variable_dtype == "float32"
    assert len(half(sources, num_beams=2)) == len(sources)
    targets = [target for _, target in sentences]
    np.testing.assert_allclose(
        half.score(sources, targets), pipeline.score(sources, targets), rtol=0.02
    )


def test_card(pipeline, tmp_path):
    pipeline.save(tmp_path / "a")
    card = (tmp_path / "a" / "README.md").read_text()
    assert card.startswith("---\nlanguage:\n- de\n- en\n") and "# translation-de-en\n" in card
    assert f"{pipeline.model.count_params():,} parameters" in card
    pipeline.save(tmp_path / "a", card="mine")
    assert (tmp_path / "a" / "README.md").read_text() == "mine"


def test_fine_tuning_changes_the_answers(tiny_checkpoint, sentences):
    """Loaded, fitted as it is, and asked again: the compiled search sees the new weights."""
    import keras

    keras.utils.set_random_seed(1)
    pipeline = from_pretrained(tiny_checkpoint)
    sources, targets = map(list, zip(*sentences, strict=True))
    before = pipeline.score(sources, targets).sum()
    old = pipeline(sources)
    batches = pipeline.batches(sentences, batch_tokens=128, max_shapes=1)
    pipeline.model.optimizer.learning_rate = 0.05
    losses = pipeline.model.fit(batches, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert pipeline.score(sources, targets).sum() > before + 20
    assert pipeline(sources) != old


def test_vocabulary_of_another_size(pipeline):
    model = pipeline.model.get_config()
    model["decoder"]["vocabulary_size"] = 61
    with pytest.raises(ValueError, match="target vocabulary.*60 units. Received: 61"):
        Pipeline("translation", s2s_zoo.Seq2Seq.from_config(model), pipeline.processor)


def test_task_of_other_sources(pipeline):
    message = "captioning that reads image. Received: one that reads text"
    with pytest.raises(ValueError, match=message):
        Pipeline("captioning", pipeline.model, pipeline.processor)


def test_unknown_task_and_default(pipeline):
    with pytest.raises(ValueError, match="Did you mean 'translation'"):
        Pipeline("translatoin", pipeline.model, pipeline.processor)
    with pytest.raises(ValueError, match="Did you mean 'length_penalty'"):
        Pipeline("translation", pipeline.model, pipeline.processor, {"length_penality": 1})


def test_progress_bar_is_on_standard_error(pipeline, capsys):
    pipeline(["ein hund", "", "zwei hunde"], progress=True)
    out, err = capsys.readouterr()
    assert out == "" and "3/3" in err and "sources" in err
    pipeline(["ein hund"], progress=False)
    list(pipeline(iter(["ein hund"])))  # no terminal: no bar
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("return_scores", [True, False])
def test_answers_that_cannot_be_are_not_returned(tiny_pipeline, return_scores):
    options = {"num_beams": 4, "num_return": 4, "return_scores": return_scores, "max_length": 2}
    found = tiny_pipeline(["ein hund", ""], forced_prefix="a dog", **options)
    assert [len(answers) for answers in found] == [1, 4]  # a blank one asks nothing of the model
    [only] = found[0]
    assert not return_scores or np.isfinite(only.score)
    assert len(tiny_pipeline("ein hund", **options)) == 4

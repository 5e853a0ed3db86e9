"""What a pipeline says of itself, and its copies."""

import copy
import io
import pickle
import warnings

import keras
import numpy as np
import pytest

import s2s_zoo
from s2s_zoo import Conversation, Pipeline, Pivot
from s2s_zoo.model.ensemble import Ensemble
from s2s_zoo.pipeline.result import Result

TEXTS = ["ein hund rennt", "", "die frau trinkt wasser"]


@pytest.fixture(scope="module")
def pipeline(tiny_checkpoint):
    return s2s_zoo.from_pretrained(tiny_checkpoint)


@pytest.fixture(scope="module")
def answers(pipeline):
    return pipeline(TEXTS, return_scores=True)


def by_joblib(pipeline):
    joblib, file = pytest.importorskip("joblib"), io.BytesIO()
    joblib.dump(pipeline, file)
    file.seek(0)
    return joblib.load(file)


WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda pipeline: pickle.loads(pickle.dumps(pipeline)),
    "joblib": by_joblib,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_answers_as_the_pipeline_does(pipeline, answers, way):
    other = WAYS[way](pipeline)  # a warning would be an error
    assert repr(other) == repr(pipeline)
    assert (other.generation, other.languages) == (pipeline.generation, pipeline.languages)
    assert (other.model is pipeline.model) == (way == "copy")
    assert other.model.compiled and type(other.model.loss) is type(pipeline.model.loss)
    for one, copied in zip(pipeline.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, copied)
    if way == "pickle":
        found = other(TEXTS, return_scores=True)
        assert [x.text for x in found] == [x.text for x in answers]
        for one, copied in zip(answers, found, strict=True):  # a blank text has no score
            score = None if one.score is None else pytest.approx(one.score, rel=1e-5)
            assert copied.score == score


def test_a_copy_is_in_the_dtype_of_the_pipeline(tiny_checkpoint):
    half = s2s_zoo.from_pretrained(tiny_checkpoint, dtype="bfloat16")
    other = copy.deepcopy(half)
    assert other.model.dtype_policy.name == "bfloat16"
    assert {str(weight.dtype) for weight in other.model.weights} == {"bfloat16"}
    assert keras.config.dtype_policy().name == "float32"


def test_under_a_global_dtype_policy(tiny_checkpoint, pipeline):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = s2s_zoo.from_pretrained(tiny_checkpoint)
    finally:
        keras.config.set_dtype_policy(before)
    assert mixed.model.compute_dtype == mixed.model.decoder.compute_dtype == "bfloat16"
    assert {str(weight.dtype) for weight in mixed.model.weights} == {"float32"}
    assert "dtype: mixed_bfloat16" in repr(mixed)
    found, exact = mixed.score(TEXTS[:1], ["a dog"]), pipeline.score(TEXTS[:1], ["a dog"])
    np.testing.assert_allclose(found, exact, rtol=0.02)


def test_a_copy_of_what_was_trained_goes_on_where_it_stood(tiny_checkpoint, sentences):
    trained = s2s_zoo.from_pretrained(tiny_checkpoint)
    batch = trained.processor.training_batches(sentences, max_shapes=1, shuffle=False)[0]
    trained.model.compile("adam", trained.model.loss, run_eagerly=True)
    trained.model.train_on_batch(*batch)
    other = copy.deepcopy(trained)
    losses = [x.model.train_on_batch(*batch) for x in (trained, other)]
    np.testing.assert_allclose(*losses, rtol=1e-6)
    assert int(other.model.optimizer.iterations) == 2


def test_an_ensemble_is_copied_with_its_members(pipeline):
    both = Ensemble([pipeline.model, pipeline.model])
    other = pickle.loads(pickle.dumps(Pipeline("translation", both, pipeline.processor)))
    assert len(other.model.members) == 2
    assert "RecurrentEncoder → RecurrentDecoder + RecurrentEncoder" in repr(other)


def test_a_quantized_model_is_copied_as_it_is(tiny_checkpoint):
    quantized = s2s_zoo.from_pretrained(tiny_checkpoint)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # which layers cannot be
        quantized.model.quantize("int8")
    other = copy.deepcopy(quantized)
    found, expected = other.score(TEXTS[:1], ["a dog"]), quantized.score(TEXTS[:1], ["a dog"])
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert other.model.quantized_within() == quantized.model.quantized_within()


def test_a_pipeline_says_what_it_is(pipeline, tiny_checkpoint):
    assert repr(pipeline) == (
        "Pipeline(translation, languages: de → en, model: RecurrentEncoder → RecurrentDecoder, "
        "processor: TextProcessor, parameters: 2,428, dtype: float32, "
        f"from: {tiny_checkpoint})"
    )
    shown = pipeline._repr_html_()
    assert shown.count("<tr>") == 7 and "de → en" in shown
    strange = copy.copy(pipeline)
    strange.languages, strange.origin = ["<b>", "fr", "en"], None
    assert "&lt;b&gt;, fr → en" in strange._repr_html_() and "from" not in repr(strange)


def test_its_parts_say_what_they_are(pipeline):
    assert repr(pipeline.processor.source_tokenizer) == "SentencePieceTokenizer(60 units)"
    assert repr(pipeline.processor) == (
        "TextProcessor(SentencePieceTokenizer(60 units), max_target_length=20, "
        "max_source_length=24)"
    )
    assert repr(pipeline.model) == (
        "<Seq2Seq seq2seq: RecurrentEncoder → RecurrentDecoder, 2,428 parameters, float32>"
    )


def test_a_result_says_what_is_known_without_its_matrices():
    assert repr(Result("a dog")) == "Result('a dog')"
    full = Result("a", -1.25, ["ein", "</s>"], ["a", "</s>"], np.zeros((2, 2)), warning="look")
    assert repr(full) == (
        "Result('a', score=-1.25, source_tokens: 2, target_tokens: 2, alignment: 2 x 2, "
        "warning='look')"
    )


def test_a_summary_shows_shapes(pipeline):
    lines: list[str] = []
    pipeline.model.summary(print_fn=lines.append)
    assert "(None, None, 60)" in "".join(lines) and "?" not in "".join(lines)


def _of_task(task, pipeline, request):
    """A pipeline of a task, and what it is called with."""
    if task == "captioning":
        captioner = request.getfixturevalue("sighted_captioner")
        folder, captions = request.getfixturevalue("photos")
        return captioner, str(folder / captions[0][0])
    if task == "transcription":
        whisper = request.getfixturevalue("tiny_whisper")
        sound = np.sin(np.arange(8000, dtype="float32") / 9) / 3
        return s2s_zoo.from_pretrained(whisper), (sound, 16000)
    parts = pipeline.model, pipeline.processor, pipeline.settings, ["de"]
    return Pipeline(task, *parts), TEXTS[0]


@pytest.mark.parametrize(
    "task", ["summarization", "question_answering", "captioning", "transcription"]
)
def test_pipelines_of_every_task_are_copied(pipeline, task, request):
    one, source = _of_task(task, pipeline, request)
    other = pickle.loads(pickle.dumps(one))
    assert other(source) == one(source) and repr(other) == repr(one)
    assert other.task == task and other.model is not one.model


@pytest.mark.parametrize("way", WAYS)
def test_a_pivot_is_copied_with_its_legs(pipeline, way):
    back = Pipeline("translation", pipeline.model, pipeline.processor, languages=["en", "fr"])
    pivot = Pivot([pipeline, back])
    other = WAYS[way](pivot)
    assert repr(other) == repr(pivot) and len(other.legs) == 2
    assert (other.legs[0].model is pipeline.model) == (way == "copy")
    if way in ("copy", "pickle"):
        assert other(TEXTS, detect=False) == pivot(TEXTS, detect=False)


def test_what_a_copied_pivot_has_not_is_told_as_by_the_pivot(pipeline):
    back = Pipeline("translation", pipeline.model, pipeline.processor, languages=["en", "fr"])
    other = pickle.loads(pickle.dumps(Pivot([pipeline, back])))
    with pytest.raises(AttributeError, match="Take one of them"):
        other.score([], [])


def test_a_conversation_is_copied_with_its_turns(pipeline):
    text = Pipeline("text2text", pipeline.model, pipeline.processor, languages=["de"])
    one = Conversation(text, ["ein hund", "rennt"])
    other = copy.deepcopy(one)
    assert other("die frau") == one("die frau") and other.turns == one.turns
    assert other.turns is not one.turns

"""Ensembles: the mean of probabilities, whatever the members; averages of weights."""

import keras
import numpy as np
import pytest
from keras import ops

import s2s_zoo
from s2s_zoo import Pipeline, SentencePieceTokenizer, Seq2Seq, TextProcessor
from s2s_zoo.apps.cli.main import main
from s2s_zoo.checkpoints.weights import weights_by_name
from s2s_zoo.protocol.errors import CheckpointError, S2SZooError


@pytest.fixture(scope="module")
def other(tiny_pipeline):
    """A pipeline with the vocabulary of the first and another architecture."""
    keras.utils.set_random_seed(11)
    size = {"vocabulary_size": 60, "embedding_dim": 8}
    model = Seq2Seq.from_config(
        {
            "encoder": {"name": "transformer", "layers": 1, "heads": 2, **size},
            "decoder": {"name": "transformer", "layers": 1, "heads": 2, **size},
        }
    )
    return Pipeline("translation", model, tiny_pipeline.processor)


SOURCES, TARGETS = ["ein hund rennt", "das kind"], ["a dog runs", "the child plays"]


def test_log_probabilities_are_those_of_the_mean_of_the_probabilities(tiny_pipeline, other):
    both = s2s_zoo.ensemble([tiny_pipeline, other])
    source = tiny_pipeline.processor.pad(tiny_pipeline.processor.encode_source(SOURCES))
    target = np.array([[1, 5, 6], [1, 7, 0]])
    probabilities = [
        ops.convert_to_numpy(ops.softmax(member.model({"source": source, "target": target})))
        for member in (tiny_pipeline, other)
    ]
    found = ops.convert_to_numpy(ops.exp(both.model({"source": source, "target": target})))
    np.testing.assert_allclose(found, np.mean(probabilities, axis=0), atol=1e-6)


@pytest.mark.parametrize("num_beams", [1, 3])
def test_a_search_reports_the_score_of_its_text(tiny_pipeline, other, num_beams):
    """`step` and `call` agree, states are reordered with the beams, and alignments are means."""
    both = s2s_zoo.ensemble([tiny_pipeline, other])
    options = {"max_length": 6, "return_scores": True, "return_alignment": True}
    result = (
        both(SOURCES[0], num_beams=num_beams, length_penalty=0.0, **options)
        if (num_beams > 1)
        else both(SOURCES[0], num_beams=1, **options)
    )
    processor = tiny_pipeline.processor
    source = processor.pad(processor.encode_source([SOURCES[0]]))
    pieces = [processor.target_tokenizer.pieces([i])[0] for i in range(60)]
    ids = np.array([[pieces.index(piece) for piece in result.target_tokens]])
    np.testing.assert_allclose(
        both.scorer.score(source, ids)[0][0], result.score, rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(result.alignment.sum(axis=1), 1, atol=1e-5)


def test_an_ensemble_of_one_model_twice_is_that_model(tiny_pipeline):
    twice = s2s_zoo.ensemble([tiny_pipeline, tiny_pipeline])
    assert twice(SOURCES) == tiny_pipeline(SOURCES)
    np.testing.assert_allclose(
        twice.score(SOURCES, TARGETS), tiny_pipeline.score(SOURCES, TARGETS), atol=1e-4
    )


def test_members_that_do_not_fit_are_refused(tiny_pipeline, tiny_captioner, tmp_path):
    tokenizer = SentencePieceTokenizer.train(["ein hund", "a dog"] + TARGETS, 22)
    size = {"vocabulary_size": 22, "embedding_dim": 4, "units": 4}
    stranger = Pipeline(
        "translation",
        Seq2Seq.from_config(
            {"encoder": {"name": "recurrent", **size}, "decoder": {"name": "recurrent", **size}}
        ),
        TextProcessor(tokenizer, tokenizer),
    )
    with pytest.raises(CheckpointError, match="Member 2 has another vocabulary"):
        s2s_zoo.ensemble([tiny_pipeline, stranger])
    with pytest.raises(CheckpointError, match="captioning instead of translation"):
        s2s_zoo.ensemble([tiny_pipeline, tiny_captioner])
    with pytest.raises(ValueError, match="expected a list"):
        s2s_zoo.ensemble([])
    with pytest.raises(S2SZooError, match="no single checkpoint"):
        s2s_zoo.ensemble([tiny_pipeline] * 2).save(tmp_path / "saved")


def test_the_average_of_checkpoints(tiny_checkpoint, other, tmp_path, capsys):
    first, second = (s2s_zoo.from_pretrained(tiny_checkpoint) for _ in range(2))
    for weight in second.model.weights:
        weight.assign(ops.convert_to_numpy(weight) * 2 + 1)
    second.save(tmp_path / "second")
    other.save(tmp_path / "other")
    names = [str(tiny_checkpoint), str(tmp_path / "second"), str(tiny_checkpoint)]
    assert main(["average", *names, "--output", str(tmp_path / "mean")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'mean'}\n"
    mean = s2s_zoo.from_pretrained(tmp_path / "mean")
    before = weights_by_name(first.model)
    for name, weight in weights_by_name(mean.model).items():
        expected = (ops.convert_to_numpy(before[name]) * 4 + 1) / 3
        np.testing.assert_allclose(ops.convert_to_numpy(weight), expected, atol=1e-6)
    for wrong, message in (
        ([names[0]], "two checkpoints or more"),
        ([names[0], str(tmp_path / "other")], "configurations differ"),
    ):
        assert main(["average", *wrong, "--output", str(tmp_path / "bad")]) == 1
        assert message in capsys.readouterr().err
    assert not (tmp_path / "bad").exists()

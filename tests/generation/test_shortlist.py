"""Shortlists: what is in them, that a search keeps to them, and their file."""

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import save

import s2s_zoo
from s2s_zoo import Pipeline
from s2s_zoo.apps.cli.main import main
from s2s_zoo.checkpoints.directory import load_checkpoint
from s2s_zoo.checkpoints.shortlists import load_shortlist
from s2s_zoo.generation import Generator
from s2s_zoo.generation import searcher as searching
from s2s_zoo.generation import shortlist as shortlists
from s2s_zoo.generation.shortlist import Shortlist, build
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import describe_file
from tests.conftest import SENTENCES

SOURCES = [source for source, _ in SENTENCES]
SPECIAL = {0, 1, 2, 3}


@pytest.fixture
def small(monkeypatch):
    """Shortlists of the sizes of small vocabularies."""
    monkeypatch.setattr(shortlists, "SMALLEST", 8)


@pytest.fixture
def listed(tiny_pipeline, small):
    """A pipeline with a shortlist of two candidates a token, and the five most frequent."""
    pipeline = Pipeline(
        "translation", tiny_pipeline.model, tiny_pipeline.processor, {"num_beams": 2}
    )
    pipeline.build_shortlist(SENTENCES, per_source=2, frequent=5)
    return pipeline


def allowed_for(pipeline, text):
    """The ids that a source may become."""
    [row] = pipeline.processor.encode_source([text])
    shortlist = pipeline.shortlist
    found = SPECIAL | set(shortlist.frequent.tolist())
    for token in row:
        found |= set(shortlist.candidates[slice(*shortlist.starts[token : token + 2])].tolist())
    return found


def ids_of(pipeline, result):
    pieces = pipeline.processor.target_tokenizer.pieces(range(60))
    return [list(pieces).index(piece) for piece in result.target_tokens]


def test_narrow_by_hand(small):
    # Token 4 becomes 10 or 12, token 5 nothing, token 6 becomes 7; 9 comes with anything.
    shortlist = Shortlist([0, 0, 0, 0, 0, 2, 2, 3], [10, 12, 7], [9], 20)
    found = shortlist.narrow(np.array([[4, 2, 0], [6, 5, 2], [99, 2, 0]]), first=[11, 3])
    assert found.ids.tolist() == [0, 1, 2, 3, 11, 7, 9, 10, 12, *[0] * 7]
    rows = [[0, 1, 2, 3, 9, 10, 12], [0, 1, 2, 3, 7, 9], [0, 1, 2, 3, 9]]
    assert [sorted(found.ids[row].tolist()) for row in found.allowed] == rows
    assert (found.place(11), found.place(12)) == (4, 8)
    assert shortlist.narrow(np.array([[4, 2]]), prefix=[15]).allowed.sum() == 8


def test_sizes_are_few():
    wide = Shortlist([0, 0, 0, 0, 0, 300], np.arange(100, 400), np.arange(10), 5000)
    assert wide.narrow(np.array([[2]])).ids.shape == (256,)
    assert wide.narrow(np.array([[4, 2]])).ids.shape == (512,)
    most = Shortlist([0, 0, 0, 0, 0, 390], np.arange(390), [], 400)
    assert most.narrow(np.array([[4, 2]])).ids.shape == (400,)


def test_build_keeps_the_most_probable_and_the_most_frequent():
    sources = [np.array(row) for row in ([4, 5], [4, 6], [7, 6])]
    targets = [np.array(row) for row in ([14, 15], [14, 16], [17, 16])]
    found = build(sources, targets, 8, 20, per_source=1, frequent=2)
    assert found.starts.tolist() == [0, 0, 0, 0, 0, 1, 2, 3, 4]
    assert found.candidates.tolist() == [14, 15, 16, 17]
    assert found.frequent.tolist() == [14, 16]
    both = build(sources, targets, 8, 20, per_source=2, frequent=9)
    assert both.starts.tolist() == [0, 0, 0, 0, 0, 2, 4, 6, 8]
    assert sorted(both.frequent.tolist()) == [14, 15, 16, 17]  # what was never seen is in no list


@pytest.mark.parametrize("options", [{"num_beams": 1}, {"num_beams": 3}, {"strategy": "sample"}])
def test_a_search_keeps_to_the_candidates_of_its_source(listed, options):
    results = listed(SOURCES, shortlist=True, return_scores=True, **options)
    for text, result in zip(SOURCES, results, strict=True):
        assert set(ids_of(listed, result)) <= allowed_for(listed, text)
    free = listed(SOURCES, return_scores=True, **options)
    assert any(
        not set(ids_of(listed, result)) <= allowed_for(listed, text)
        for text, result in zip(SOURCES, free, strict=True)
    )


@pytest.mark.parametrize("num_beams", [1, 3])
def test_the_answer_does_not_depend_on_the_rows_beside_it(listed, num_beams):
    options = {"num_beams": num_beams, "shortlist": True}
    assert listed(SOURCES, **options) == [listed(text, **options) for text in SOURCES]


def test_a_shortlist_of_everything_changes_nothing(tiny_pipeline):
    everything = Shortlist(np.zeros(61, int), [], np.arange(60), 60)
    pipeline = Pipeline(
        "translation", tiny_pipeline.model, tiny_pipeline.processor, shortlist=everything
    )
    rules = {"suppress_tokens": [3, 7, (9, 12)], "no_repeat_ngram_size": 2, "min_length": 3}
    for options in ({"num_beams": 1}, {"num_beams": 3, "repetition_penalty": 1.5}):
        options |= {"return_scores": True, "return_alignment": True, "forced_prefix": "the"}
        expected, found = (
            pipeline(SOURCES, shortlist=wanted, **rules, **options) for wanted in (False, True)
        )
        for one, other in zip(expected, found, strict=True):
            assert one.text == other.text
            np.testing.assert_allclose(one.score, other.score, rtol=1e-4)
            np.testing.assert_allclose(one.alignment, other.alignment, atol=1e-5)


def test_options_name_tokens_outside_the_shortlist(listed):
    rare = next(i for i in range(4, 60) if i not in allowed_for(listed, SOURCES[0]))
    word = listed.processor.target_tokenizer.decode([np.array([rare])])[0].strip()
    result = listed(
        SOURCES[0],
        shortlist=True,
        num_beams=2,
        forced_prefix=word,
        suppress_tokens=[3, rare, (rare, 5)],
        return_scores=True,
    )
    prefix = listed.processor.encode_target([word])[0][:-1].tolist()
    assert ids_of(listed, result)[: len(prefix)] == prefix
    assert np.isfinite(result.score)


def test_suppressed_candidates_are_not_written(listed):
    for num_beams in (1, 3):
        options = {"shortlist": True, "num_beams": num_beams, "return_scores": True}
        options["min_length"] = 1  # the first token is not END, which cannot be banned for good
        banned = ids_of(listed, listed(SOURCES[0], **options))[0]
        found = listed(SOURCES[0], suppress_tokens=[3, banned], **options)
        assert banned not in ids_of(listed, found)


def test_stream_is_the_greedy_search_of_the_shortlist(listed):
    expected = listed(SOURCES[0], shortlist=True, num_beams=1, return_scores=True)
    *_, last = listed.stream(SOURCES[0], shortlist=True)
    assert last.text == expected.text
    np.testing.assert_allclose(last.score, expected.score, rtol=1e-4)


def test_seed_draws_the_same_again(listed):
    options = {"strategy": "sample", "seed": 3, "shortlist": True}
    assert listed(SOURCES, **options) == listed(SOURCES, **options)


def test_searches_are_compiled_once_a_length(listed, monkeypatch):
    made = []

    class Recorded(Generator):
        def __init__(self, *args, **options):
            made.append(options)
            super().__init__(*args, **options)

    monkeypatch.setattr(searching, "Generator", Recorded)
    monkeypatch.setattr(shortlists, "SMALLEST", 32)
    for texts in (SOURCES[:2], SOURCES[2:4], SOURCES[4:]):
        listed(texts, shortlist=True, num_beams=1)
    assert len(made) == 1


def test_a_default_of_the_checkpoint(listed, tmp_path):
    listed.generation["shortlist"] = True
    expected = listed(SOURCES)
    listed.save(tmp_path / "listed")
    again = s2s_zoo.from_pretrained(tmp_path / "listed")
    assert again.generation["shortlist"] is True
    assert again(SOURCES) == expected == listed(SOURCES, shortlist=True)
    assert again(SOURCES, shortlist=False) != expected
    again.save(tmp_path / "again")
    files = [
        (tmp_path / name / "shortlist.safetensors").read_bytes() for name in ("listed", "again")
    ]
    assert files[0] == files[1] == listed.shortlist.pack()


def test_command(tiny_checkpoint, tmp_path, capsys):
    data = tmp_path / "train.tsv"
    data.write_text("".join(f"{source}\t{target}\n" for source, target in SENTENCES))
    output = tmp_path / "listed"
    command = ["shortlist", "--model", str(tiny_checkpoint), "--data", str(data)]
    assert main([*command, "--per-source", "3", "--output", str(output)]) == 0
    assert capsys.readouterr().out.strip() == str(output)
    checkpoint = load_checkpoint(output)
    assert checkpoint.generation["shortlist"] is True
    assert np.diff(checkpoint.shortlist.starts).max() == 3


def test_without_a_shortlist(tiny_pipeline):
    with pytest.raises(ValueError, match=r"has no shortlist.*build_shortlist"):
        tiny_pipeline(SOURCES, shortlist=True)
    with pytest.raises(ValueError, match="shortlist=True or False. Received: 3"):
        tiny_pipeline(SOURCES, shortlist=3)
    with pytest.raises(ValueError, match="whole vocabulary. Received: shortlist=True"):
        s2s_zoo.export(tiny_pipeline, "unused", shortlist=True)


def test_models_that_cannot_be_narrowed(tiny_pipeline, tiny_captioner, listed):
    both = s2s_zoo.ensemble([tiny_pipeline, tiny_pipeline])
    with pytest.raises(ValueError, match="part of an output matrix. Received: EnsembleDecoder"):
        both.build_shortlist(SENTENCES)
    with pytest.raises(ValueError, match="Received: CNNEncoder, which reads none"):
        tiny_captioner.build_shortlist(SENTENCES)
    size = {"vocabulary_size": 60, "embedding_dim": 6}
    decoder = {"name": "recurrent", "units": 8, "attention": "luong", "pointer": True, **size}
    encoder = {"name": "recurrent", "units": 4, **size}
    model = s2s_zoo.Seq2Seq.from_config({"encoder": encoder, "decoder": decoder})
    with pytest.raises(ValueError, match="RecurrentDecoder with a pointer"):
        Pipeline("translation", model, tiny_pipeline.processor, shortlist=listed.shortlist)


def test_a_shortlist_of_another_vocabulary(tiny_pipeline):
    with pytest.raises(ValueError, match="of 2 source and 60 target.*a model of 60 and 60"):
        Pipeline(
            "translation",
            tiny_pipeline.model,
            tiny_pipeline.processor,
            shortlist=Shortlist([0, 0, 0], [], [], 60),
        )


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"starts": [0, 2]}, "starts that rise from 0 to the number of candidates"),
        ({"starts": [0, 5, 3]}, "starts that rise"),
        ({"starts": [1, 3]}, "starts that rise"),
        ({"starts": []}, "starts that rise"),
        ({"candidates": [5, 6, 60]}, "candidates from 0 to 59"),
        ({"frequent": [-1]}, "frequent from 0 to 59"),
        ({"target_size": [60, 60]}, "shortlist.safetensors"),
        ({"frequent": [[1]]}, "one-dimensional and I32"),
        ({"frequent": np.zeros(2, "int64")}, "one-dimensional and I32"),
        ({"more": [1]}, "expected candidates, frequent, starts, target_size"),
        ({"frequent": None}, "expected candidates, frequent, starts, target_size"),
    ],
)
def test_a_file_that_does_not_fit_together(tmp_path, changes, message):
    arrays = {"starts": [0, 3], "candidates": [5, 6, 7], "frequent": [8], "target_size": [60]}
    arrays |= changes
    arrays = {
        name: x if isinstance(x, np.ndarray) else np.array(x, "int32")
        for name, x in arrays.items()
        if x is not None
    }
    path = tmp_path / "shortlist.safetensors"
    path.write_bytes(save(arrays))
    with pytest.raises(CheckpointError, match=message):
        load_shortlist(path)


def test_an_altered_or_foreign_file_is_refused(listed, tmp_path):
    listed.save(tmp_path / "listed")
    path = tmp_path / "listed" / "shortlist.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-4] + b"\1\0\0\0")
    with pytest.raises(CheckpointError, match="shortlist.safetensors was altered"):
        load_checkpoint(tmp_path / "listed")
    path.write_bytes(b"\xff" * 100)
    config = json.loads((tmp_path / "listed" / "config.json").read_text())
    config["files"][path.name] = describe_file(path)
    (tmp_path / "listed" / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="shortlist.safetensors is corrupt"):
        load_checkpoint(tmp_path / "listed")
    other = Shortlist([0, 0], [], [], 60)
    path.write_bytes(other.pack())
    config["files"][path.name] = describe_file(path)
    (tmp_path / "listed" / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="cannot be used: The shortlist is of 1 source"):
        s2s_zoo.from_pretrained(tmp_path / "listed")
    shutil.rmtree(tmp_path / "listed")

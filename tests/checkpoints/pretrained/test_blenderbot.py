"""What Blenderbots have of their own: their words, their rule about the source, their turns."""

import shutil

import pytest

from s2s_zoo import Conversation, from_pretrained
from s2s_zoo.checkpoints.pretrained.word_bpe import LONGEST_WORD
from s2s_zoo.protocol.errors import CheckpointError
from tests.checkpoints.pretrained.lines import LINES
from tests.checkpoints.pretrained.test_loader import edit

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def copy(oracle, tmp_path):
    return shutil.copytree(oracle("blendersmall").directory, tmp_path / "copy")


def test_a_stream_obeys_the_rule_about_the_source(oracle):
    pipeline = from_pretrained(oracle("blenderbot").directory)
    assert pipeline.generation["encoder_no_repeat_ngram_size"] == 3
    text, options = LINES[0], {"num_beams": 1, "max_length": 12}
    for size in (0, 1):
        options["encoder_no_repeat_ngram_size"] = size
        *_, last = pipeline.stream(text, **{**options, "strategy": "greedy"})
        assert last.text == pipeline(text, **options)
        read = set(pipeline.processor.encode_source([text])[0].tolist())
        written = set(pipeline.processor.encode_target([last.text])[0].tolist())
        assert size == 0 or read & written <= {2}


def test_turns_of_a_dialogue(oracle):
    for family, between in (("blenderbot", "  "), ("blendersmall", "\n")):
        talk = Conversation(from_pretrained(oracle(family).directory))
        assert talk.separator == between
        assert [talk(text) for text in ("a dog", "two children")] == talk.turns[1::2]
    processor = talk.pipeline.processor
    pieces = processor.source_pieces(processor.encode_source(["a dog\nruns"])[0], "")
    assert "__newln__" in "".join(pieces).replace("@@", "")


def test_a_word_without_an_end_is_unknown(oracle):
    processor = from_pretrained(oracle("blendersmall").directory).processor
    [row] = processor.encode_source([f"a {'x' * (LONGEST_WORD + 1)}"], truncate=False)
    assert row[-1] == processor.unknown_id


@pytest.mark.parametrize(
    ("file", "data", "message"),
    [
        ("merges.txt", b"#version\na b c\n", "merges.txt expected two pieces.*'a b c'"),
        ("merges.txt", b"\xff", "merges.txt is no text"),
        ("vocab.json", b'{"a": 0}', "vocab.json is no vocabulary: it has no __unk__"),
        ("vocab.json", b'{"__unk__": 1000000000}', "The tokenizer has"),
        ("merges.txt", None, "merges.txt is missing"),
    ],
)
def test_files_that_are_wrong_are_refused(copy, file, data, message):
    (copy / file).unlink()
    if data is not None:
        (copy / file).write_bytes(data)
    with pytest.raises(CheckpointError, match=message):
        from_pretrained(copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder_no_repeat_ngram_size": -1}, "expected encoder_no_repeat_ngram_size to be"),
        ({"encoder_no_repeat_ngram_size": "3"}, "expected encoder_no_repeat_ngram_size to be"),
    ],
)
def test_a_rule_that_is_none_is_refused(copy, changes, message):
    edit(copy / "generation_config.json", **changes)
    with pytest.raises(CheckpointError, match=message):
        from_pretrained(copy)


def test_a_byt5_with_too_many_pieces_is_refused(oracle, tmp_path):
    byt5 = shutil.copytree(oracle("byt5").directory, tmp_path / "byt5")
    edit(byt5 / "tokenizer_config.json", extra_ids=10**9)
    with pytest.raises(CheckpointError, match="expected extra_ids from 0 to 9,999"):
        from_pretrained(byt5)

import numpy as np
import pytest

from s2s_zoo.checkpoints.processors import load_processor
from s2s_zoo.data import CopyingProcessor, WordTokenizer
from s2s_zoo.data.batching import TokenBatches
from s2s_zoo.protocol import END, PAD, UNK
from s2s_zoo.protocol.errors import CheckpointError

WORDS = WordTokenizer.train(["the cat sees", "the cat", "the"], vocabulary_size=20)
THE, CAT, SEES, FIRST, SECOND = 4, 5, 6, 7, 8  # FIRST and SECOND unknown word of a source
SOURCE = "the Zork sees the Bleem Zork"


@pytest.fixture
def processor():
    return CopyingProcessor(WORDS, WORDS, 12, 10, extra_ids=2)


def test_unknown_words_of_a_source_have_ids_in_their_order(processor):
    (row,) = processor.encode_source([SOURCE])
    assert row.tolist() == [THE, FIRST, SEES, THE, SECOND, FIRST, END]
    assert processor.source_pieces(row, SOURCE)[:2] == ["the", "Zork"]


def test_a_target_has_the_ids_of_its_source(processor):
    rows = processor.encode_target(["Bleem Zork", "Bleem Grue"], sources=[SOURCE, "the Grue"])
    assert [row.tolist() for row in rows] == [[SECOND, FIRST, END], [UNK, FIRST, END]]
    (row,) = processor.encode_target(["Bleem cat"])
    assert row.tolist() == [UNK, CAT, END]


def test_copies_become_text_again(processor):
    ids = np.array(
        [[[CAT, FIRST, END, PAD], [SECOND, THE, END, PAD]], [[FIRST, SECOND, END, PAD]] * 2]
    )
    texts = processor.decode(ids, [SOURCE, "the Grue"])
    assert texts == [["cat Zork", "Bleem the"], ["Grue", "Grue"]]  # there is no second one


def test_more_unknown_words_than_ids_are_unk(processor):
    (row,) = processor.encode_source(["a b c"])
    assert row.tolist() == [FIRST, SECOND, UNK, END]


def test_what_was_cut_off_cannot_be_copied():
    short = CopyingProcessor(WORDS, WORDS, 3, 10, extra_ids=2)
    with pytest.warns(UserWarning, match="longer than 3"):
        (row,) = short.encode_source(["the Zork Bleem"])
    assert row.tolist() == [THE, FIRST, END]
    assert short.encode_target(["Bleem"], sources=["the Zork Bleem"])[0].tolist() == [UNK, END]


def test_batches_hold_the_ids_of_each_pair(processor):
    pairs = [("the Zork sees", "Zork"), ("the Bleem sees", "Bleem")]
    (batch,) = TokenBatches(processor, pairs, batch_tokens=4, shuffle=False)
    assert batch[0]["source"].tolist() == [[THE, FIRST, SEES, END]] * 2
    assert batch[1].tolist() == [[FIRST, END]] * 2


def test_saved_and_loaded(processor, tmp_path):
    processor.save(tmp_path)
    again = load_processor(tmp_path)
    assert type(again) is CopyingProcessor and again.get_config() == processor.get_config()
    (tmp_path / "tokenizer.model").write_bytes(b"other")
    with pytest.raises(CheckpointError, match="sha256"):
        load_processor(tmp_path)


def test_what_cannot_be_copied_is_an_error(tokenizer):
    with pytest.raises(ValueError, match="TextProcessor"):
        CopyingProcessor(tokenizer, tokenizer)
    with pytest.raises(ValueError, match="extra_ids >= 1"):
        CopyingProcessor(WORDS, WORDS, extra_ids=0)

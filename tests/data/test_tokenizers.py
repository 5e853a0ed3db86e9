import hashlib
import io
import sys

import pytest
import sentencepiece

from s2s_zoo.data import SentencePieceTokenizer
from s2s_zoo.errors import CheckpointError, DataError
from s2s_zoo.protocol import END, PAD, START, UNK

TEXTS = [
    "the big dog sees a tree.",
    "der große Hund schläft über Nacht",
    "L’été, où êtes-vous ?",
    "我爱吃苹果",
    "Ｆｕｌｌ　ｗｉｄｔｈ １２３",
    "a 🐕 and 👩‍👩‍👧",
    "",
    "   ",
    "two\nlines\tand\r\na tab",
    "a NUL \0 byte",
    "</s> <s> <pad> <unk>",
    "dog " * 2500,
]


def test_encode_and_decode_are_inverse_on_known_text(tokenizer):
    text = "the big dog sees a tree."
    (ids,) = tokenizer.encode([text])
    assert all(0 <= token < tokenizer.vocabulary_size == 60 for token in ids)
    assert UNK not in ids
    assert tokenizer.decode([ids]) == [text]
    assert "".join(tokenizer.pieces(ids)).replace("▁", " ") == f" {text}"


def test_samples_are_other_units_of_the_same_text(tokenizer):
    texts = ["the big dog sees a tree."] * 50
    drawn = tokenizer.sample(texts, 0.2, seed=1)
    assert drawn == tokenizer.sample(texts, 0.2, seed=1) != tokenizer.sample(texts, 0.2, seed=2)
    assert tokenizer.decode(drawn) == texts
    (usual,) = tokenizer.encode(texts[:1])
    assert sum(row != usual for row in drawn) > 10
    assert len(set(map(tuple, drawn))) > 5
    almost = tokenizer.sample(texts, 50.0, seed=1)
    assert almost == [usual] * 50


def test_any_text_encodes_without_special_ids(tokenizer):
    rows = tokenizer.encode([*TEXTS, "lone surrogate \udcff"])
    assert len(rows) == len(TEXTS) + 1
    assert not {PAD, START, END} & {token for row in rows for token in row}
    assert rows[TEXTS.index("")] == rows[TEXTS.index("   ")] == []


def test_an_unknown_character_is_unk(tokenizer):
    (ids,) = tokenizer.encode(["我"])
    assert UNK in ids
    assert tokenizer.decode([ids])[0].strip() == "⁇"


def test_tensorflow_text_gives_the_same_ids(tokenizer, other_tokenizer):
    pytest.importorskip("tensorflow_text")
    for one in (tokenizer, other_tokenizer):
        assert one.as_tensorflow().tokenize(TEXTS).to_list() == one.encode(TEXTS)


def test_without_tensorflow_text_the_error_says_what_to_do(tokenizer, monkeypatch):
    pytest.importorskip("tensorflow")
    monkeypatch.setitem(sys.modules, "tensorflow_text", None)
    with pytest.raises(ImportError, match="pip install tensorflow-text"):
        tokenizer.as_tensorflow()


def test_training_is_deterministic(pairs, tokenizer):
    texts = [text for pair in pairs for text in pair]
    assert SentencePieceTokenizer.train(iter(texts), 60).model_bytes == tokenizer.model_bytes
    one, same, other = (
        SentencePieceTokenizer.train(texts, 50, sample_size=100, seed=seed) for seed in (0, 0, 1)
    )
    assert one.sha256 == same.sha256 != other.sha256


def test_training_prints_nothing(pairs, capfd):
    SentencePieceTokenizer.train((source for source, _ in pairs), 50, model_type="bpe")
    assert capfd.readouterr() == ("", "")


def test_character_coverage_leaves_rare_characters_out():
    texts = ["a b"] * 200 + ["我"]
    known = SentencePieceTokenizer.train(texts, 8, character_coverage=1.0)
    covered = SentencePieceTokenizer.train(texts, 7, character_coverage=0.99)
    assert UNK not in known.encode(["我"])[0]
    assert UNK in covered.encode(["我"])[0]


def test_too_little_text_for_the_vocabulary():
    with pytest.raises(DataError, match=r"learn 5000 units from 1 sentences\. Vocab.*too high"):
        SentencePieceTokenizer.train(["one short sentence"], 5000)
    with pytest.raises(DataError, match="no sentences"):
        SentencePieceTokenizer.train(iter([]), 50)


def test_save_and_load(tokenizer, tmp_path):
    path = tmp_path / "tokenizer.model"
    tokenizer.save(path)
    loaded = SentencePieceTokenizer.load(path)
    assert loaded.encode(TEXTS) == tokenizer.encode(TEXTS)
    assert loaded.sha256 == tokenizer.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("content", [b"", b"not a model", b"\0" * 100])
def test_bytes_that_are_no_model(content):
    with pytest.raises(CheckpointError, match="no SentencePiece model"):
        SentencePieceTokenizer(content)


def test_a_model_with_other_special_ids_is_refused():
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(["a b c d"] * 10), model_writer=model, vocab_size=9, minloglevel=2
    )
    with pytest.raises(CheckpointError, match=r"Received: \(-1, 1, 2, 0\).*--pad_id=0"):
        SentencePieceTokenizer(model.getvalue())

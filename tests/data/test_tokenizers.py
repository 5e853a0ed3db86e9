import hashlib
import io
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import sentencepiece

from s2s_zoo.data import SentencePieceTokenizer
from s2s_zoo.protocol import END, PAD, START, UNK
from s2s_zoo.protocol.errors import CheckpointError, DataError

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
    assert len(set(map(tuple, drawn))) > 2
    assert tokenizer.sample(texts, 50.0, seed=1) == [usual] * 50


def test_segmentations_are_drawn_by_their_probabilities():
    texts = ["aab", "aab", "ab", "b", "aa"] * 20
    tokenizer = SentencePieceTokenizer.train(texts, vocabulary_size=9)
    model = sentencepiece.SentencePieceProcessor(model_proto=tokenizer.model_bytes)

    def ways(rest):  # every way to cut a text into units
        if not rest:
            return [()]
        units = [rest[:end] for end in range(1, len(rest) + 1)]
        known = [unit for unit in units if model.piece_to_id(unit) != UNK]
        return [(unit, *others) for unit in known for others in ways(rest[len(unit) :])]

    scores = {
        cut: sum(model.get_score(model.piece_to_id(unit)) for unit in cut) for cut in ways("▁aab")
    }
    assert len(scores) > 2
    total = sum(np.exp(0.5 * score) for score in scores.values())
    drawn = tokenizer.sample(["aab"] * 4000, 0.5, seed=0)
    counts = Counter(tuple(tokenizer.pieces(ids)) for ids in drawn)
    for cut, score in scores.items():
        assert counts[cut] / 4000 == pytest.approx(np.exp(0.5 * score) / total, abs=0.03)


def test_samples_are_the_same_in_every_process(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "model")
    code = (
        "import sys; from s2s_zoo.data import SentencePieceTokenizer as T; "
        "print(T.load(sys.argv[1]).sample(['the big dog sees a tree.'] * 5, 0.2, 3))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "model")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.strip() == str(tokenizer.sample(["the big dog sees a tree."] * 5, 0.2, 3))


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_can_be_drawn(tokenizer, text):
    (ids,) = tokenizer.sample([text], 0.2, seed=1)
    assert not {PAD, START, END} & set(ids)
    assert tokenizer.decode([ids]) == tokenizer.decode(tokenizer.encode([text]))


def test_bpe_has_no_probabilities_to_draw_by():
    bpe = SentencePieceTokenizer.train(["a big dog"] * 9, 20, model_type="bpe")
    with pytest.raises(ValueError, match="unigram"):
        bpe.sample(["a big dog"], 0.2, seed=1)


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


def test_digits_one_by_one_and_no_character_unknown():
    texts = [f"room {number} of {number + 7} in the house" for number in range(200)]
    assert SentencePieceTokenizer.train(texts, 40).has_unknown
    tokenizer = SentencePieceTokenizer.train(texts, 283, split_digits=True, byte_fallback=True)
    pieces = tokenizer.units("room 1907 in 😀 of 北")
    digits = [piece.strip("▁") for piece in pieces if piece.strip("▁")[:1].isdigit()]
    assert digits == list("1907")
    assert not tokenizer.has_unknown
    ids = tokenizer.encode(["room 1907 in 😀 of 北"])
    assert UNK not in ids[0] and tokenizer.decode(ids) == ["room 1907 in 😀 of 北"]

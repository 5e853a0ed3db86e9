import pytest

from s2s_zoo.data import WordTokenizer
from s2s_zoo.data.words import join, split
from s2s_zoo.protocol import UNK
from s2s_zoo.protocol.errors import CheckpointError, DataError


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("A (small) test.", "A (￭ small ￭) test ￭."),
        ("don't", "don ￭'￭ t"),
        ("x - y", "x - y"),
        ("end).", "end ￭) ￭."),
        ("Hi <nl> Bo: <b>3.5</b>", "Hi <nl> Bo ￭: <b>￭ 3 ￭.￭ 5 ￭< ￭/￭ b ￭>"),
        ("naïve 東京 x_1", "naïve 東京 x_1"),
        ("", ""),
    ],
)
def test_units_and_the_same_text_again(text, units):
    assert split(text) == units.split()
    assert join(split(text)) == text


def test_a_word_and_its_sign_are_counted_apart():
    tokenizer = WordTokenizer.train(["b a.", "b a", "b"], vocabulary_size=6)
    assert tokenizer.vocabulary_size == 6
    assert tokenizer.encode(["a b c"]) == [[5, 4, UNK]]
    assert tokenizer.decode([[4, 5]]) == ["b a"]


def test_of_two_as_frequent_the_first_in_the_alphabet():
    assert WordTokenizer.train(["z y x"], vocabulary_size=6).pieces([4, 5]) == ["x", "y"]


def test_a_saved_list_is_the_same(tmp_path):
    tokenizer = WordTokenizer.train(["one two"], vocabulary_size=100)
    tokenizer.save(tmp_path / "tokenizer.model")
    again = WordTokenizer.load(tmp_path / "tokenizer.model")
    assert again.sha256 == tokenizer.sha256
    assert again.encode(["two one"]) == tokenizer.encode(["two one"])


@pytest.mark.parametrize("text", ["\udcff", "￭", "a\0b", "\u2028", "🙂"])
def test_odd_text_is_no_error(text):
    WordTokenizer.train(["a"], vocabulary_size=10).encode([text])
    assert "￭" not in join(split(text))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"a\n\nb", b"a\na"])
def test_what_is_no_list_of_words_is_an_error(content):
    with pytest.raises(CheckpointError, match="list of words"):
        WordTokenizer(content)


def test_what_words_cannot_do_is_an_error():
    with pytest.raises(DataError, match="no words"):
        WordTokenizer.train(["", "  "], vocabulary_size=10)
    tokenizer = WordTokenizer.train(["a"], vocabulary_size=10)
    with pytest.raises(ValueError, match="sampling"):
        tokenizer.sample(["a"], 0.1, 0)
    with pytest.raises(ValueError, match="SentencePiece"):
        tokenizer.as_tensorflow()

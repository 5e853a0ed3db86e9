import json
import os
import subprocess
import sys

import numpy as np
import pytest

from s2s_zoo.data import SentencePieceTokenizer, TextProcessor
from s2s_zoo.data.text.known_words import KnownWords
from s2s_zoo.protocol import END, PAD, START
from s2s_zoo.protocol.errors import CheckpointError

ODD = ["", "   ", "dog " * 2500, "🐕" * 50, "a\0b", "a\nb\r\nc", "我爱吃苹果", "\udcff"]


@pytest.fixture
def saved(processor, tmp_path):
    processor.save(tmp_path / "saved")
    return tmp_path / "saved"


def edit(directory, change):
    path = directory / "processor.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


def test_rows_end_in_end(processor):
    for encode in (processor.encode_source, processor.encode_target):
        rows = encode(["the dog", ""])
        assert [row.dtype for row in rows] == [np.int32, np.int32]
        assert rows[0][-1] == END and list(rows[0]).count(END) == 1
        assert rows[1].tolist() == [END]


def test_each_side_has_its_tokenizer_and_limit(tokenizer, other_tokenizer):
    processor = TextProcessor(tokenizer, other_tokenizer, 5, 7)
    text = "der Hund schläft unter der Katze"
    with pytest.warns(UserWarning, match="source texts are longer than 5"):
        (source,) = processor.encode_source([text])
    with pytest.warns(UserWarning, match="target texts are longer than 7"):
        (target,) = processor.encode_target([text])
    assert source.tolist() == [*tokenizer.encode([text])[0][:4], END]
    assert target.tolist() == [*other_tokenizer.encode([text])[0][:6], END]


@pytest.mark.filterwarnings("ignore:.* texts are longer")
@pytest.mark.parametrize("text", ODD)
def test_any_text_encodes(processor, text):
    (row,) = processor.encode_source([text])
    assert 1 <= len(row) <= 60 and row[-1] == END
    assert isinstance(processor.decode(row), str)


def test_truncation_warns_once_and_keeps_end(processor):
    texts = ["dog " * 100, "dog", "cat " * 100]
    with pytest.warns(UserWarning, match="2 of 3 source texts are longer than 60") as warned:
        rows = processor.encode_source(texts)
    assert len(warned) == 1
    assert warned[0].filename == __file__
    assert len(rows[0]) == len(rows[2]) == 60
    assert rows[0][-1] == END
    assert len(processor.encode_source(texts, truncate=False)[0]) > 100


def test_text_of_just_the_limit_is_kept_whole(tokenizer):
    (ids,) = tokenizer.encode(["the dog sees a cat"])
    processor = TextProcessor(tokenizer, tokenizer, len(ids) + 1, len(ids) + 1)
    assert processor.encode_source(["the dog sees a cat"])[0].tolist() == [*ids, END]


def test_decode_cuts_at_end_and_drops_padding(processor):
    (row,) = processor.encode_target(["the dog sees a cat."])
    noisy = [START, *row, row[0], PAD, END, row[1]]
    assert processor.decode(np.array(noisy)) == "the dog sees a cat."
    assert processor.decode(row[:-1]) == "the dog sees a cat."
    assert processor.decode(np.array([END, *row])) == ""


def test_decode_keeps_the_leading_shape(processor):
    texts = ["a dog", "", "the cat sees a bird", "red", "a house", "tree"]
    ids = processor.pad(processor.encode_target(texts))
    assert processor.decode(ids) == texts
    assert processor.decode(ids.reshape(3, 2, -1)) == [texts[:2], texts[2:4], texts[4:]]
    assert processor.decode(ids[:0]) == []


def test_pad(processor):
    rows = [np.array([5, 6, END]), np.array([END])]
    assert processor.pad(rows).tolist() == [[5, 6, END], [END, PAD, PAD]]
    assert processor.pad(rows, 4).tolist() == [[5, 6, END, PAD], [END, PAD, PAD, PAD]]
    assert processor.pad(rows).dtype == np.int32
    with pytest.raises(ValueError, match="at most 2 ids. Received: 3"):
        processor.pad(rows, 2)


@pytest.mark.parametrize("texts", ["a dog", [b"bytes"], [None]])
def test_what_is_no_list_of_text(processor, texts):
    with pytest.raises(ValueError, match="encode_source expected a list of str"):
        processor.encode_source(texts)


@pytest.mark.parametrize("length", [1, 0, -3, "9", 2.5])
def test_limits_leave_room_for_a_token(tokenizer, length):
    with pytest.raises(ValueError, match="max_target_length >= 2"):
        TextProcessor(tokenizer, tokenizer, 9, length)


def test_save_and_load_with_one_tokenizer(processor, saved):
    loaded = TextProcessor.load(saved)
    assert sorted(path.name for path in saved.iterdir()) == ["processor.json", "tokenizer.model"]
    assert loaded.source_tokenizer is loaded.target_tokenizer
    assert loaded.get_config() == processor.get_config()
    assert json.loads((saved / "processor.json").read_text()) == processor.get_config()


def test_save_and_load_with_two_tokenizers(tokenizer, other_tokenizer, tmp_path):
    TextProcessor(tokenizer, other_tokenizer, 11, 13).save(tmp_path)
    loaded = TextProcessor.load(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "processor.json",
        "source.model",
        "target.model",
    }
    assert loaded.source_tokenizer.sha256 == tokenizer.sha256
    assert loaded.target_tokenizer.sha256 == other_tokenizer.sha256
    assert (loaded.max_source_length, loaded.max_target_length) == (11, 13)


def test_the_words_that_a_model_knows_are_a_file_of_their_own(tokenizer, tmp_path):
    processor = TextProcessor(tokenizer, tokenizer, 9, 9, known_words=KnownWords(b"a\ndog"))
    assert processor.format_version == 2, "an older package would take no notice of them"
    processor.save(tmp_path)
    assert (tmp_path / "words.txt").read_bytes() == b"a\ndog"
    loaded = TextProcessor.load(tmp_path)
    assert loaded.known_words.made_up("a dogg", "") == ["dogg"]
    assert loaded.get_config() == processor.get_config()
    (tmp_path / "words.txt").write_bytes(b"a\ndogg")
    with pytest.raises(CheckpointError, match=r"words\.txt .* sha256 is not the one recorded"):
        TextProcessor.load(tmp_path)
    edit(tmp_path, lambda config: config.update(known_words=config["source_tokenizer"]))
    with pytest.raises(CheckpointError, match="known_words is no sentencepiece"):
        TextProcessor.load(tmp_path)
    edit(tmp_path, lambda config: config["known_words"].update(file="../words.txt"))
    with pytest.raises(CheckpointError, match="outside itself"):
        TextProcessor.load(tmp_path)


@pytest.mark.parametrize("keep", [0, 100, -1])
def test_a_truncated_vocabulary_is_refused(saved, keep):
    path = saved / "tokenizer.model"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"tokenizer\.model \(\d+ bytes\) is truncated"):
        TextProcessor.load(saved)


def test_an_altered_vocabulary_is_refused(saved, other_tokenizer):
    other_tokenizer.save(saved / "tokenizer.model")
    with pytest.raises(CheckpointError, match="sha256 is not the one recorded"):
        TextProcessor.load(saved)


@pytest.mark.parametrize("name", ["tokenizer.model", "processor.json"])
def test_a_missing_file_is_named(saved, name):
    (saved / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name} is missing"):
        TextProcessor.load(saved)


def test_unknown_keys_name_the_nearest(saved):
    edit(saved, lambda config: config.update(max_sorce_length=9))
    with pytest.raises(CheckpointError, match="'max_sorce_length'. Did you mean 'max_source_le"):
        TextProcessor.load(saved)


def test_unknown_tokenizer_keys_name_the_nearest(saved):
    edit(saved, lambda config: config["source_tokenizer"].update(sha265="0"))
    with pytest.raises(CheckpointError, match="'sha265'. Did you mean 'sha256'"):
        TextProcessor.load(saved)


def test_unknown_types_name_the_known(saved):
    edit(saved, lambda config: config["source_tokenizer"].update(type="sentence_piece"))
    with pytest.raises(CheckpointError, match="'sentence_piece'. Did you mean 'sentencepiece'"):
        TextProcessor.load(saved)
    edit(saved, lambda config: config.update(type="image"))
    with pytest.raises(CheckpointError, match="processor type. Received: .image."):
        TextProcessor.load(saved)


@pytest.mark.parametrize("key", ["type", "target_tokenizer", "max_target_length"])
def test_missing_keys_are_named(saved, key):
    edit(saved, lambda config: config.pop(key))
    with pytest.raises(CheckpointError, match=f"needs {key}"):
        TextProcessor.load(saved)


@pytest.mark.parametrize("value", ["long", 0, None])
def test_a_limit_that_is_no_length(saved, value):
    edit(saved, lambda config: config.update(max_source_length=value))
    with pytest.raises(CheckpointError, match=r"processor\.json: .*max_source_length"):
        TextProcessor.load(saved)


@pytest.mark.parametrize("value", [None, "tokenizer.model", ["x"]])
def test_a_tokenizer_that_is_no_object(saved, value):
    edit(saved, lambda config: config.update(source_tokenizer=value))
    with pytest.raises(CheckpointError, match="tokenizer config is a JSON object"):
        TextProcessor.load(saved)


@pytest.mark.parametrize("name", ["../tokenizer.model", "/etc/passwd", "a/b", "..", "", "a\\b", 3])
def test_files_cannot_lie_elsewhere(saved, name):
    (saved.parent / "tokenizer.model").write_bytes((saved / "tokenizer.model").read_bytes())
    edit(saved, lambda config: config["source_tokenizer"].update(file=name))
    with pytest.raises(CheckpointError, match="outside itself"):
        TextProcessor.load(saved)


@pytest.mark.parametrize("content", ["", "{", "[1]", "\xff"])
def test_unreadable_json(saved, content):
    (saved / "processor.json").write_text(content, encoding="latin-1")
    with pytest.raises(CheckpointError, match="processor.json"):
        TextProcessor.load(saved)


def test_text_needs_neither_tensorflow_nor_keras(saved):
    script = (
        "import sys; sys.modules['tensorflow'] = sys.modules['keras'] = None\n"
        "from s2s_zoo.data import TextProcessor, read_pairs, streaming\n"
        f"processor = TextProcessor.load({str(saved)!r})\n"
        "print(processor.decode(processor.encode_source(['the dog'])[0]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "the dog\n", done.stderr


def test_a_binary_file_is_no_text_and_told_at_once(processor):
    import io

    for source in (io.BytesIO(b"a"), open(os.devnull, "rb")):
        with source, pytest.raises(TypeError, match="expected text.*Received: Buffered|BytesIO"):
            processor.collect(source)


@pytest.fixture
def reading(pairs):
    texts = [text for pair in pairs for text in pair] + ["'dog' 'Hund'"] * 9
    learned = SentencePieceTokenizer.train(texts, 60)
    symbols = {"template": "⟦{}⟧", "limit": 3}
    return TextProcessor(learned, learned, normalize=True, symbols=symbols)


def test_texts_come_to_one_form_before_they_become_ids(reading):
    plain = TextProcessor(reading.source_tokenizer, reading.target_tokenizer)
    text, form = "the ’dog’", "the 'dog'"
    for one in ("encode_source", "encode_target"):
        [read], [same], [other] = (
            getattr(reading, one)([text]),
            *(getattr(plain, one)([written]) for written in (form, text)),
        )
        assert read.tolist() == same.tolist() != other.tolist()


def test_what_both_sides_write_alike_is_behind_symbols_in_training_and_scores(reading, processor):
    pair = "der Hund a@b.de", "the dog a@b.de"
    assert reading.protected(*[[text] for text in pair]) == (
        ("der Hund ⟦1⟧",),
        ("the dog ⟦1⟧",),
    )
    assert processor.protected(*[[text] for text in pair]) == tuple([text] for text in pair)
    assert reading.as_read([], []) == ([], [])


def test_an_older_package_refuses_a_processor_that_says_how_texts_are_read(
    reading, processor, tmp_path
):
    reading.save(tmp_path)
    loaded = TextProcessor.load(tmp_path)
    assert (loaded.normalize, loaded.symbols) == (True, reading.symbols)
    assert (loaded.format_version, processor.format_version) == (2, 1)
    processor.save(tmp_path)
    assert (
        not {"normalize", "symbols"} & json.loads((tmp_path / "processor.json").read_text()).keys()
    )

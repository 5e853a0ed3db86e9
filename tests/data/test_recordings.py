"""Batches of recordings: every one once, its features and its text together, read when needed."""

import warnings

import numpy as np
import pytest

from s2s_zoo.data.audio_processor import AudioProcessor
from s2s_zoo.data.words import WordTokenizer
from s2s_zoo.protocol import END, PAD, START
from s2s_zoo.protocol.errors import DataError
from tests.tiny_whisper import sound

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("soxr")

SECONDS = (0.3, 0.32, 0.8, 0.5, 0.31)
TEXTS = ("a", "b a", "a b b a", "b", "a a")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    for i, seconds in enumerate(SECONDS):
        soundfile.write(folder / f"{i}.wav", sound(seconds, i, 8000), 8000)
    return folder


@pytest.fixture(scope="module")
def processor():
    return AudioProcessor(WordTokenizer(b"a\nb"), mels=8, rate=8000, frame=200, hop=80)


def pairs():
    return [(f"{i}.wav", text) for i, text in enumerate(TEXTS)]


def made(processor, folder, **options):
    from s2s_zoo.data.recordings import AudioBatches

    options = {"batch_tokens": 12, "max_shapes": 2, "folder": folder, **options}
    return AudioBatches(processor, pairs(), **options)


def test_every_recording_comes_once_with_its_text(processor, folder):
    batches = made(processor, folder)
    expected = dict(zip(TEXTS, processor.encode_source(sorted(folder.iterdir())), strict=True))
    seen = []
    for inputs, labels, weights in batches:
        source, target = inputs["source"], inputs["target"]
        assert source.dtype == "float32" and source.shape[2] == 8
        assert source.shape[:2] in [(b, s) for b, s, _ in batches.shapes]
        for frames, read, label, weight in zip(source, target, labels, weights, strict=True):
            assert frames.any()  # a row without a real frame would be looked at nowhere: NaN
            if not weight.any():
                continue
            text = processor.decode(label)
            features = expected[text]
            np.testing.assert_allclose(frames[: len(features)], features, atol=1e-5)
            assert not frames[len(features) :].any()
            assert read[0] == START and label[weight > 0][-1] == END
            assert (label[weight == 0] == PAD).all()
            seen.append(text)
    assert sorted(seen) == sorted(TEXTS) and batches.epoch == 1


def test_order_is_that_of_the_seed(processor, folder):
    one, other = (
        [labels.tolist() for _, labels, _ in made(processor, folder, seed=seed)] for seed in (1, 1)
    )
    assert one == other
    assert one != [labels.tolist() for _, labels, _ in made(processor, folder, seed=2)]


def test_long_ones_are_left_out_and_bad_ones_named(processor, folder, tmp_path):
    with pytest.warns(UserWarning, match="Dropped 1 of 5 pairs"):
        short = made(processor, folder, seconds=0.6)
    assert max(s for _, s, _ in short.shapes) == 50
    with pytest.raises(ValueError, match="seconds above 0"):
        made(processor, folder, seconds=0)
    with pytest.raises(DataError, match="absent.wav is no file"):
        processor.training_batches([("absent.wav", "a")])
    soundfile.write(tmp_path / "nothing.wav", np.zeros(0), 8000)
    with pytest.raises(DataError, match="shorter than a frame"):
        processor.training_batches([(str(tmp_path / "nothing.wav"), "a")])
    with pytest.raises(ValueError, match="word_dropout is for sources of text"):
        made(processor, folder, word_dropout=0.1)


def test_a_model_of_windows_reads_one(tiny_whisper, tmp_path):
    from s2s_zoo import from_pretrained

    whisper = from_pretrained(tiny_whisper).processor
    for i, seconds in enumerate((0.4, 0.9, 1.4)):
        soundfile.write(tmp_path / f"{i}.wav", sound(seconds, i), 16000)
    data = [(str(tmp_path / f"{i}.wav"), "a dog") for i in range(3)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # one is longer than a window
        [(inputs, labels, _)] = whisper.training_batches(data, batch_tokens=2 * 32, max_shapes=1)
    assert inputs["source"].shape[1:] == (100, 20)
    [expected] = whisper.encode_target(["a dog"])
    assert labels[0][: len(expected)].tolist() == expected.tolist()

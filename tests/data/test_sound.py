"""Sound from whatever holds it, and what is wrong with what holds none."""

import io
import socket
import threading
import warnings

import numpy as np
import pytest

from s2s_zoo.data import images
from s2s_zoo.data.audio_processor import AudioProcessor
from s2s_zoo.data.sound import Recording, sound_files
from s2s_zoo.layers.mel import log_mel
from s2s_zoo.protocol.errors import DataError

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("soxr")


def tone(rate, seconds=0.5, pitch=440):
    return 0.5 * np.sin(2 * np.pi * pitch * np.arange(int(rate * seconds)) / rate)


def as_bytes(samples, rate, kind="WAV", **options):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, **options)
    return file.getvalue()


def assert_is_tone(samples, tolerance=0.01):
    middle = slice(800, len(samples) - 800)  # a resampler is still at work at the ends
    np.testing.assert_allclose(samples[middle], tone(16000)[: len(samples)][middle], atol=tolerance)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_formats(tmp_path, kind):
    path = tmp_path / f"tone.{kind.lower()}"
    path.write_bytes(as_bytes(tone(16000, 1), 16000, kind))
    with open(path, "rb") as file:
        for source in (path, str(path), path.read_bytes(), file):
            found = Recording(source).read().samples
            assert found.dtype == "float32" and abs(len(found) - 16000) < 2400
            spectrum = np.abs(np.fft.rfft(found[:8000]))
            assert spectrum.argmax() * 2 == 440
    assert sound_files(tmp_path) == [path]


@pytest.mark.parametrize("rate", [8000, 44100, 192_000])
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_any_rate_and_any_channels_become_one_of_ours(rate, channels):
    samples = np.stack([tone(rate)] * channels, axis=1)
    for source in ((samples, rate), {"array": samples, "sampling_rate": rate}):
        recording = Recording(source)
        assert recording.seconds == pytest.approx(0.5)
        found = recording.read().samples
        assert len(found) == 8000
        assert_is_tone(found)
    assert_is_tone(Recording(as_bytes(samples, rate)).read().samples)


@pytest.mark.parametrize("dtype", ["int16", "int32", "uint8", "float64"])
def test_integers_are_parts_of_their_range(dtype):
    samples = tone(16000)
    if dtype != "float64":
        bits = 8 * np.dtype(dtype).itemsize
        samples = samples * (2 ** (bits - 1) - 1) + 2 ** (bits - 1) * (dtype == "uint8")
    assert_is_tone(Recording((samples.astype(dtype), 16000)).read().samples, 0.02)


def test_pieces_are_the_whole(monkeypatch):
    samples = np.random.default_rng(0).uniform(-1, 1, (30_000, 2)).astype("float32")
    data = as_bytes(samples, 44100, subtype="FLOAT")
    whole = Recording(data).read().samples
    monkeypatch.setattr("s2s_zoo.data.sound.VALUES", 7000)
    for source in (data, (samples, 44100)):
        pieces = list(Recording(source).blocks())
        assert len(pieces) > 5
        np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-5)


def test_what_is_no_sound_is_named(tmp_path):
    text = tmp_path / "notes.wav"
    text.write_text("Dear diary")
    for source in (text, b"\0\0\0\x20ftypisom" + b"video" * 50, b""):
        with pytest.raises(DataError, match="no sound that is read here.*ffmpeg"):
            Recording(source)
    with pytest.raises(DataError, match="no file. Check the name"):
        Recording(tmp_path / "absent.wav")
    with pytest.raises(DataError, match="holds no sound: no name ends in .wav"):
        sound_files(_empty(tmp_path))
    for source in (np.zeros(9), 7, None, (np.zeros(9), "16k"), (np.array(["a"]), 16000)):
        with pytest.raises(TypeError, match="Expected"):
            Recording(source)
    with pytest.raises(DataError, match="Turn it round: array.T"):
        Recording((np.zeros((2, 900)), 16000))
    with pytest.raises(DataError, match="rate from 1,000"):
        Recording((np.zeros(9), 3))


def _empty(folder):
    (folder / "empty").mkdir()
    return folder / "empty"


def test_samples_that_are_no_numbers_are_refused():
    samples = tone(16000)
    samples[70] = np.nan
    for source in ((samples, 16000), as_bytes(samples, 16000, subtype="FLOAT")):
        with pytest.raises(DataError, match="NaN or infinite.*nan_to_num"):
            Recording(source).read()


@pytest.mark.parametrize("kind", ["MP3", "WAV", "FLAC"])
def test_what_is_cut_off_is_read_as_far_as_it_goes(kind):
    data = as_bytes(np.random.default_rng(0).uniform(-1, 1, 60_000), 16000, kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = Recording(data[: len(data) // 2]).read().samples
    assert 15_000 < len(found) < 45_000


def test_a_head_that_promises_gigabytes_costs_none():
    data = bytearray(as_bytes(tone(16000), 16000))
    for place in (4, 40):  # the sizes of a RIFF file and of its data
        data[place : place + 4] = (0x7FFFFFF0).to_bytes(4, "little")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        assert len(Recording(bytes(data)).read().samples) == 8000


def test_nothing_is_an_empty_sound():
    assert len(Recording(as_bytes(np.zeros(0), 16000)).read().samples) == 0
    assert len(Recording((np.zeros(0), 44100)).read().samples) == 0
    with pytest.raises(DataError, match="longer than 0.1 seconds"):
        Recording((tone(16000), 16000)).read(0.1)


def test_an_address_that_never_answers(monkeypatch):
    monkeypatch.setattr(images, "TIMEOUT", 0.3)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        accepted = []
        thread = threading.Thread(target=lambda: accepted.append(server.accept()), daemon=True)
        thread.start()
        with pytest.raises(DataError, match="cannot be read: .*Check the address"):
            Recording(f"http://127.0.0.1:{server.getsockname()[1]}/talk.mp3")
        thread.join()
        accepted[0][0].close()


class Letters:
    """Stands for a tokenizer."""

    vocabulary_size = 30


def test_a_processor_makes_features_and_knows_one_from_several(tmp_path):
    processor = AudioProcessor(Letters(), mels=20, rate=8000, frame=200, hop=80)
    [found] = processor.encode_source([(tone(8000), 8000)])
    np.testing.assert_allclose(found, log_mel(tone(8000), 20, 8000, 200, 80), atol=1e-4)
    pair = (tone(8000), 8000)
    assert processor.is_blank((np.zeros(900), 8000)) and processor.is_blank((np.zeros(0), 8000))
    assert not processor.is_blank(pair) and not processor.is_blank(io.BytesIO(b""))
    assert processor.encode_source([(np.zeros(0), 8000)])[0].shape == (1, 20)
    assert processor.collect(pair)[1] and processor.collect(tmp_path / "a.wav")[1]
    assert not processor.collect([pair, pair])[1] and not processor.collect((pair, pair))[1]
    (tmp_path / "b.wav").write_bytes(as_bytes(*pair))
    assert processor.collect(tmp_path) == ([tmp_path / "b.wav"], False)
    with pytest.raises(ValueError, match="hop from 1 to 200.*hop=300"):
        AudioProcessor(Letters(), frame=200, hop=300)

"""What is no speech, is too much, or is asked for in vain, through a whole pipeline."""

import tracemalloc
import wave

import numpy as np
import pytest

from s2s_zoo.data.audio_processor import AudioProcessor
from s2s_zoo.data.words import WordTokenizer
from s2s_zoo.pipeline.listening import Listening
from s2s_zoo.protocol.errors import DataError
from tests.tiny_whisper import RATE, sound

pytest.importorskip("soundfile")
pytest.importorskip("soxr")

HOURS = 3


@pytest.fixture(scope="module")
def transcribe(tiny_whisper):
    from s2s_zoo import from_pretrained

    return from_pretrained(tiny_whisper)


def test_silence_and_nothing_say_nothing(transcribe):
    for samples in (np.zeros(0), np.zeros(RATE // 2), np.zeros(5 * RATE, "int16")):
        found = transcribe((samples, RATE), return_timestamps=True)
        assert (found.text, found.segments) == ("", ())
        assert found.seconds == pytest.approx(len(samples) / RATE)
    assert list(transcribe.stream((np.zeros(3 * RATE), RATE))) == []


def test_noise_in_which_nobody_seems_to_speak_says_nothing(transcribe):
    noise = np.random.default_rng(0).normal(size=RATE // 2) * 0.1
    limits = {"no_speech_threshold": -1.0, "logprob_threshold": 0.0, "temperature": 0.0}
    assert transcribe((noise, RATE), language="de", max_length=6, **limits) == ""


def test_what_is_asked_for_in_vain_is_named(transcribe, tmp_path):
    text = tmp_path / "notes.wav"
    text.write_text("Dear diary")
    heard = (sound(0.3), RATE)
    for source, options, message in (
        (heard, {"language": "klingon"}, "'klingon'.*Known: .*german"),
        (heard, {"language": "Germn"}, "Did you mean 'german'"),
        (text, {}, "no sound that is read here.*ffmpeg"),
        (b"\0\0\0\x20ftypisom" + bytes(400), {}, "no sound that is read here.*ffmpeg"),
        ((np.full(900, np.inf), RATE), {}, "NaN or infinite"),
    ):
        with pytest.raises(DataError, match=message):
            transcribe(source, **options)
    for options, message in (
        ({"return_scores": True}, "A transcription knows no return_scores"),
        ({"memory": "m.db"}, "A transcription knows no memory"),
        ({"num_beams": 3, "num_return": 3}, "one text for each recording.*num_return=3"),
        ({"forced_prefix": "Well"}, "forced_prefix='Well'. Use initial_prompt="),
    ):
        with pytest.raises(ValueError, match=message):
            transcribe(heard, **options)


def test_what_a_whisper_cannot_do_is_refused_by_name(transcribe, tmp_path):
    import s2s_zoo

    for call, message in (
        (lambda: s2s_zoo.ensemble([transcribe, transcribe]), "Received: a Whisper"),
        (lambda: s2s_zoo.explain(transcribe, "talk.mp3"), "plot_transcription"),
        (lambda: s2s_zoo.export(transcribe, tmp_path / "out"), "which reads audio"),
        (lambda: transcribe.build_shortlist([("a", "b")]), "A shortlist is"),
    ):
        with pytest.raises((ValueError, s2s_zoo.S2SZooError), match=message):
            call()


class Windows(AudioProcessor):
    """Features of few numbers, in windows of half a minute."""

    frames = 300
    features = AudioProcessor.features


def test_hours_take_no_more_memory_than_minutes(tmp_path):
    processor = Windows(WordTokenizer(b"a"), mels=4, rate=1000, frame=250, hop=100)
    block = (127 * (1 + 0.5 * np.sin(np.arange(60_000)))).astype("uint8").tobytes()
    peaks = []
    for minutes in (20, 60 * HOURS):
        path = tmp_path / f"{minutes}.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(1)
            file.setframerate(1000)
            for _ in range(minutes):
                file.writeframes(block)
        tracemalloc.start()
        listening, windows = Listening(processor, path), 0
        while not listening.ended:
            assert listening.window().features.shape == (300, 4)
            listening.go_on(300)
            windows += 1
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert listening.seconds == 60 * minutes and windows == 2 * minutes
    assert peaks[1] < 1.2 * peaks[0]

"""Recordings that are sent: answered as in Python, refused by name, and not heard for ever."""

import base64
import io
import re

import numpy as np
import pytest

for package in ("fastapi", "prometheus_client", "uvicorn"):
    pytest.importorskip(package, reason="pip install 's2s-zoo[serve]'")
soundfile = pytest.importorskip("soundfile")

from s2s_zoo.apps.serving import hearing  # noqa: E402
from s2s_zoo.pipeline.transcript import Segment, Word  # noqa: E402
from tests.apps.serving.test_app import error_of, events_of  # noqa: E402
from tests.tiny_whisper import RATE, sound  # noqa: E402

SURE = {"temperature": 0.0, "language": "de"}


@pytest.fixture(scope="module")
def transcribe(tiny_whisper):
    from s2s_zoo import from_pretrained

    return from_pretrained(tiny_whisper)


def encoded(samples, kind="WAV", rate=RATE):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind)
    return base64.b64encode(file.getvalue()).decode()


def test_answers_are_those_of_the_pipeline(serve, transcribe):
    sounds = [encoded(sound(0.7)), encoded(sound(2.1, 1), "FLAC")]
    files = [base64.b64decode(x) for x in sounds]
    texts = transcribe(files, **SURE)
    expected = transcribe(files[1], return_timestamps=True, **SURE)
    client = serve(transcribe)
    given = client.post("/generate", json={"audios": sounds, **SURE}).json()["results"]
    assert [x["text"] for x in given] == texts
    asked = {"audios": sounds[1:], "return_timestamps": True, **SURE}
    [found] = client.post("/generate", json=asked).json()["results"]
    assert (found["language"], found["seconds"]) == ("de", pytest.approx(2.1))
    assert [x["text"] for x in found["segments"]] == [x.text for x in expected.segments]
    assert found["segments"][0]["end"] == expected.segments[0].end
    assert "words" not in found["segments"][0]  # which nobody asked for
    events = events_of(client.post("/stream", json={"audio": sounds[1], **SURE}))
    assert [x["segment"]["text"] for x in events[:-1]] == [x.text for x in expected.segments]
    assert events[-1]["done"] and events[-1]["text"] == expected.text
    told = client.get("/model").json()
    assert told["audio"] == {"rate": RATE, "segments": True, "tasks": ["transcribe", "translate"]}
    assert {"language", "task", "hot_words"} <= {*told["options"]} and not told["has_alignment"]
    [silent] = client.post(
        "/generate", json={"audios": [encoded(np.zeros(RATE))], "return_timestamps": True}
    ).json()["results"]
    assert (silent["text"], silent["segments"]) == ("", [])


def test_what_is_refused(serve, transcribe, monkeypatch):
    monkeypatch.setattr(hearing, "MOST_SECONDS", 2.5)
    client, short = serve(transcribe), encoded(sound(0.2))
    for status, message, request in (
        (400, "Recording 2 of 2: The 8 bytes is no sound", [short, "bm8gc291bmQ="]),
        (400, r"audios\[0\] is not base64", ["?"]),
        (422, "at most 2.5 seconds together.*recording 2 of 2", [encoded(sound(1.5))] * 2),
    ):
        answer = client.post("/generate", json={"audios": request})
        assert re.search(message, error_of(answer, status))
    for message, options in (
        ("'klingon'.*Known: ", {"language": "klingon"}),
        ("task: Input should be 'transcribe' or 'translate'", {"task": "sing"}),
        ("times instead of an alignment", {"return_alignment": True}),
        ("at most the 32 tokens", {"max_length": 400}),
        ("Did you mean 'language'", {"langauge": "de"}),
        ("checkpoint reads", {"source": "de"}),
    ):
        for path, body in (("/generate", {"audios": [short]}), ("/stream", {"audio": short})):
            assert re.search(message, error_of(client.post(path, json={**body, **options}), 422))
    assert 'such as {"audios"' in error_of(client.post("/generate", json={"texts": ["a"]}), 400)
    predict = client.post("/v1/models/tiny:predict", json={"instances": [{"b64": short}]})
    assert "models that read text or image" in error_of(predict, 404)
    damaged = np.full(800, np.nan, "float32")
    file = io.BytesIO()
    soundfile.write(file, damaged, RATE, format="WAV", subtype="FLOAT")
    body = {"audios": [base64.b64encode(file.getvalue()).decode()]}
    assert "NaN or infinite" in error_of(client.post("/generate", json=body), 400)


def test_what_may_be_drawn_is_alone_in_its_batch(transcribe):
    from s2s_zoo.apps.serving.schema import Sounds
    from s2s_zoo.apps.serving.served import Served

    served = Served(transcribe, "tiny")
    sure, drawn = Sounds(audios=[], temperature=0.0), Sounds(audios=[])
    assert served.generation(sure) == served.generation(sure)
    assert served.generation(drawn) != served.generation(drawn)


def test_words_of_a_segment_are_told_with_their_times():
    words = (Word(" a", 0.0, 0.5), Word(" b", 0.5, 1.0))
    told = hearing.segment_as_json(Segment(" a b", 0.0, 1.0, float("-inf"), words=words))
    assert told["words"][1] == {"text": " b", "start": 0.5, "end": 1.0}
    assert told["score"] is None  # JSON has no infinity


def test_the_work_of_a_recording_is_that_of_its_windows(transcribe):
    heard = [hearing.Heard(b"", seconds) for seconds in (0.0, 0.5, 1.0, 3.5)]
    assert [hearing.work_of(x, transcribe, {}) for x in heard] == [32, 32, 32, 4 * 32]
    assert hearing.work_of(heard[3], transcribe, {"max_length": 9}) == 4 * 9


@pytest.fixture(scope="module")
def listener():
    """A listener as the recipe trains one, but untrained."""
    from s2s_zoo import Pipeline, Seq2Seq
    from s2s_zoo.data import AudioProcessor, WordTokenizer

    words = WordTokenizer(b"a\nb")
    decoder = {"name": "recurrent", "vocabulary_size": words.vocabulary_size, "embedding_dim": 4}
    attention = {"name": "location_sensitive", "units": 5}
    config = {
        "encoder": {"name": "pyramidal", "mels": 8, "units": 4, "layers": 2},
        "decoder": {**decoder, "units": 6, "attention": attention},
    }
    features = {"mels": 8, "rate": 8000, "frame": 200, "hop": 80}
    processor = AudioProcessor(words, max_target_length=6, **features)
    return Pipeline("transcription", Seq2Seq.from_config(config), processor, {"num_beams": 1})


def test_a_model_of_ones_own_has_tokens_and_alignments(serve, listener, monkeypatch):
    sounds = [encoded(sound(seconds, 0, 8000), rate=8000) for seconds in (0.6, 0.3)]
    files = [base64.b64decode(x) for x in sounds]
    expected = listener(files, return_scores=True, return_alignment=True)
    steps = [x.text for x in listener.stream(files[0])]
    client = serve(listener)
    asked = {"audios": sounds, "return_alignment": True}
    found = client.post("/generate", json=asked).json()["results"]
    assert [x["text"] for x in found] == [x.text for x in expected]
    for result, places in zip(found, (15, 8), strict=True):  # a quarter of 60 and 30 frames
        shape = np.shape(result["alignment"])
        assert shape == (len(result["target_tokens"]), places) and "source_tokens" not in result
        np.testing.assert_allclose(np.sum(result["alignment"], axis=1), 1, atol=2e-3)
    events = events_of(client.post("/stream", json={"audio": sounds[0]}))
    assert [x["text"] for x in events[:-1]] == steps and events[-1]["done"]
    assert client.get("/model").json()["audio"] == {"rate": 8000, "segments": False, "tasks": []}
    told = client.post("/generate", json={"audios": sounds, "language": "de"})
    assert "language" in error_of(told, 422)
    monkeypatch.setattr(hearing, "AT_ONCE", 0.5)
    long = client.post("/generate", json={"audios": sounds})
    assert "Recording 1 of 2: this model reads at most 0.5 seconds at once" in error_of(long, 422)

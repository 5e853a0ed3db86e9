"""What a transcription is made of: parts between timestamps, words in time, subtitles."""

import numpy as np
import pytest

from s2s_zoo.pipeline.listening import Window
from s2s_zoo.pipeline.transcribing import timed_parts
from s2s_zoo.pipeline.transcript import Segment, Transcript, Word
from s2s_zoo.pipeline.words import token_times, warp, words_of

TIME = 100  # the id of <|0.00|>


@pytest.mark.parametrize(
    ("tokens", "parts", "frames"),
    [
        # A pair, and what was begun behind it: on from the pair.
        ([100, 5, 150, 150, 6], [([100, 5, 150], 0.0, 1.0)], 100),
        # The last one stands alone: the rest is silent.
        (
            [100, 5, 150, 150, 6, 160],
            [([100, 5, 150], 0.0, 1.0), ([150, 6, 160], 1.0, 1.2)],
            300,
        ),
        ([100, 5, 150], [([100, 5, 150], 0.0, 1.0)], 300),
        ([100, 5], [([100, 5], 0.0, 3.0)], 300),
        ([100, 5, 150, 150], [([100, 5, 150], 0.0, 1.0)], 100),
        ([], [([], 0.0, 3.0)], 300),
    ],
)
def test_parts_between_timestamps(tokens, parts, frames):
    found, moved = timed_parts(tokens, TIME, Window(np.zeros((300, 1)), 0, 300))
    assert [x for x, _, _ in found] == [x for x, _, _ in parts]
    np.testing.assert_allclose([x[1:] for x in found], [x[1:] for x in parts])
    assert moved == frames


def cheapest(costs):
    """The cost of the cheapest path, by trying all."""

    def from_cell(i, j):
        if (i, j) == (costs.shape[0] - 1, costs.shape[1] - 1):
            return costs[i, j]
        steps = [(i + 1, j), (i, j + 1), (i + 1, j + 1)]
        inside = [x for x in steps if x[0] < costs.shape[0] and x[1] < costs.shape[1]]
        return costs[i, j] + min(from_cell(*x) for x in inside)

    return from_cell(0, 0)


def test_the_cheapest_path():
    rng = np.random.default_rng(0)
    for shape in ((1, 1), (1, 5), (4, 1), (3, 6), (5, 4)):
        costs = rng.normal(size=shape)
        rows, columns = warp(costs)
        assert (rows[0], columns[0]) == (0, 0)
        assert (rows[-1], columns[-1]) == (shape[0] - 1, shape[1] - 1)
        steps = set(zip(np.diff(rows), np.diff(columns), strict=True))
        assert steps <= {(0, 1), (1, 0), (1, 1)}
        assert costs[rows, columns].sum() == pytest.approx(cheapest(costs))


def test_tokens_begin_where_heads_look():
    weights = np.full((2, 3, 60), 0.001)
    for token, (start, end) in enumerate([(0, 20), (20, 35), (35, 50)]):
        weights[:, token, start:end] = 0.05
    weights[:, :, 50:] = 9  # behind the recording
    np.testing.assert_allclose(token_times(weights, 50), [0, 20, 35, 50], atol=1)


class Bytes:
    """A processor whose tokens are bytes."""

    class target_tokenizer:
        @staticmethod
        def decode(rows):
            return [bytes(row).decode("utf-8", "replace") for row in rows]


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        (" Hello, world.", "en", [" Hello,", " world."]),
        (" He said “No!” “Go", "en", [" He", " said", " “No!”", " “Go"]),
        ("日本語。", "ja", ["日", "本", "語。"]),
        (" naïve – yes", "fr", [" naïve", " –", " yes"]),
        ("", "en", []),
    ],
)
def test_words_of_tokens(text, language, words):
    found = words_of(Bytes, list(text.encode()), language)
    assert [bytes(x).decode() for x in found] == words


TRANSCRIPT = Transcript(
    "Hello. Goodbye --> now.",
    (
        Segment(" Hello.", 0.0, 1.5, -0.2, 0.01, 0.0, (Word(" Hello.", 0.1, 1.2),)),
        Segment(" Goodbye --> now.", 3661.25, 3663.0),
    ),
    "en",
    3663.5,
)


def test_subtitles():
    assert TRANSCRIPT.subtitles("srt") == (
        "1\n00:00:00,000 --> 00:00:01,500\nHello.\n\n"
        "2\n01:01:01,250 --> 01:01:03,000\nGoodbye -> now.\n"
    )
    vtt = TRANSCRIPT.subtitles("vtt")
    assert vtt.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nHello.\n\n01:01:01.250")
    assert TRANSCRIPT.subtitles("tsv").splitlines() == [
        "start\tend\ttext",
        "0\t1500\tHello.",
        "3661250\t3663000\tGoodbye --> now.",
    ]
    with pytest.raises(ValueError, match="'ass'"):
        TRANSCRIPT.subtitles("ass")


def test_plain_json():
    found = TRANSCRIPT.as_dict()
    assert found["language"] == "en" and found["segments"][0]["words"] == [
        {"text": " Hello.", "start": 0.1, "end": 1.2}
    ]

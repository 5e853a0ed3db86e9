"""When each word was spoken: what the decoder looked at while it wrote it.

Heads that look at the sound of what they write are smoothed and averaged, and the path through
token and time along which they look most is found by dynamic time warping, as openai-whisper does.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from s2s_zoo.pipeline.transcript import Word

SMOOTHED = 7  # positions of the median
WITHOUT_SPACES = ("zh", "ja", "th", "lo", "my", "yue")
OPENING = "\"'“¿([{-"
CLOSING = "\"'.。,，!！?？:：”)]}、"


def token_times(weights: np.ndarray, frames: int) -> np.ndarray:
    """The position at which each token begins.

    Args:
        weights: (H, T, S), row t is what was looked at to write token t.
        frames: int, positions that are of the recording; the others do not count.

    Returns:
        (T + 1,) int, the last is where the last token ends.
    """
    weights = weights[:, :, :frames].astype("float64")
    deviation = weights.std(axis=1, keepdims=True)
    weights = (weights - weights.mean(axis=1, keepdims=True)) / np.maximum(deviation, 1e-9)
    half = SMOOTHED // 2
    if weights.shape[2] > half:
        padded = np.pad(weights, [(0, 0), (0, 0), (half, half)], mode="reflect")
        views = np.lib.stride_tricks.sliding_window_view(padded, SMOOTHED, axis=2)
        weights = np.median(views, axis=-1)
    tokens, times = warp(-weights.mean(axis=0))
    firsts = times[np.flatnonzero(np.diff(tokens, prepend=-1))]
    return np.append(firsts, frames)


def warp(costs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cheapest path from the first to the last cell, by dynamic time warping.

    Args:
        costs: (T, S).

    Returns:
        The rows and the columns of the path, in order; each step goes one down, right, or both.
    """
    rows, columns = costs.shape
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0
    for diagonal in range(rows + columns - 1):  # whose cells do not depend on one another
        i = np.arange(max(0, diagonal - columns + 1), min(rows, diagonal + 1))
        j = diagonal - i
        best = np.minimum(np.minimum(total[i, j], total[i, j + 1]), total[i + 1, j])
        total[i + 1, j + 1] = costs[i, j] + best
    path = [(rows - 1, columns - 1)]
    while path[-1] != (0, 0):
        i, j = path[-1]
        before = [((i - 1, j - 1), total[i, j]), ((i - 1, j), total[i, j + 1])]
        before.append(((i, j - 1), total[i + 1, j]))
        path.append(min(before, key=lambda x: x[1])[0])
    found = np.array(path[::-1])
    return found[:, 0], found[:, 1]


def words_of(processor: Any, tokens: Sequence[int], language: str | None) -> list[list[int]]:
    """Parts tokens of text into those of each word, punctuation with the word it belongs to.

    Args:
        processor: a `PretrainedAudioProcessor`.
        tokens: list of int.
        language: str, a code; those without spaces between words are parted at each character.
    """

    def text(part):
        return processor.target_tokenizer.decode([part])[0]

    characters: list[list[int]] = []
    part: list[int] = []
    for token in tokens:
        part.append(token)
        if "\ufffd" not in text(part):
            characters.append(part)
            part = []
    if part:
        characters.append(part)
    words: list[list[int]] = []
    for part in characters:
        said = text(part)
        apart = language in WITHOUT_SPACES or said.startswith(" ")
        if not words or apart or said.strip() in string.punctuation:
            words.append(list(part))
        else:
            words[-1] += part
    return _with_marks(words, text)


def _with_marks(words, text):
    """Words with the opening marks that stand before them, and the closing ones behind them."""
    found: list[list[int]] = []
    waiting: list[int] = []
    for word in words:
        said = text(word)
        marks = set(said.strip())
        if marks and marks <= set(OPENING) and said.startswith(" "):
            waiting += word
        elif found and not waiting and marks <= set(CLOSING) and not said.startswith(" "):
            found[-1] += word
        else:
            found.append([*waiting, *word])
            waiting = []
    return [*found, waiting] if waiting else found


def timed_words(
    processor: Any, parts: list[list[int]], weights: np.ndarray, frames: int, language: str | None
) -> list[tuple[Word, ...]]:
    """The words of the segments of a window, in seconds from its beginning.

    Args:
        processor: a `PretrainedAudioProcessor`.
        parts: list of list of int, the tokens of text of each segment.
        weights: (H, T, S), row t is what was looked at to write the text token t of all of them.
        frames: int, frames of the window that are of the recording.
        language: str, a code, or None.
    """
    if not any(parts):
        return [() for _ in parts]
    seconds = 2 * processor.hop / processor.rate
    times = token_times(weights, max(1, frames // 2)) * seconds
    found, place = [], 0
    for tokens in parts:
        words = []
        for word in words_of(processor, tokens, language):
            text = processor.target_tokenizer.decode([word])[0]
            start, end = float(times[place]), float(times[place + len(word)])
            words.append(Word(text, round(start, 3), round(end, 3)))
            place += len(word)
        found.append(tuple(words))
    return found

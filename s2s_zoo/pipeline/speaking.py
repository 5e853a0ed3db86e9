"""From a window of sound to tokens, again at another temperature where they are poor."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from s2s_zoo.generation.options import OPTIONS
from s2s_zoo.generation.prompted import Listener, Prompted, Watcher
from s2s_zoo.generation.searcher import Searcher
from s2s_zoo.generation.speech_rules import SpeechRules
from s2s_zoo.protocol import END, PAD, START

NO_LIMIT = 1 << 20
LENGTHS = 32  # tokens that are looked at come in lengths of so many, so few compilations


class Thresholds(NamedTuple):
    """When what was written of a window is drawn again, or not used.

    Attributes:
        compression_ratio: how many times shorter a text becomes at most, or None for any: one that
            says the same again and again becomes very short.
        score: the least mean log-probability of its tokens, or None for any.
        no_speech: above this probability that nobody speaks, and with a score below the least,
            nothing was said; or None.
    """

    compression_ratio: float | None = 2.4
    score: float | None = -1.0
    no_speech: float | None = 0.6


class Spoken(NamedTuple):
    """What was written of a window.

    Attributes:
        tokens: list of int, without END.
        score: float, the mean log-probability of the tokens.
        no_speech: float, the probability that nobody speaks.
        temperature: float.
        skipped: bool, whether nothing was said.
    """

    tokens: list[int]
    score: float
    no_speech: float
    temperature: float
    skipped: bool


class Speaker:
    """Writes the tokens of windows.

    Args:
        model: a `Seq2Seq` of the Whisper family.
        processor: its `PretrainedAudioProcessor`.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        self.model = model
        self.processor = processor
        self.heads = [tuple(x) for x in processor.options["alignment_heads"]]
        self._watcher: Watcher | None = None
        self._listeners: dict[Any, Listener] = {}
        self._searchers: dict[Any, Searcher] = {}

    def listen(self, prompt: np.ndarray, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Encodes windows, and says what is expected after a prompt: see `Listener`."""
        width = prompt.shape[1]
        key = (width, *sorted(inputs))
        if key not in self._listeners:
            self._listeners[key] = Listener(self.model)
        return self._listeners[key].listen(prompt, **inputs)

    def watch(self, memory: np.ndarray, tokens: Sequence[int]) -> np.ndarray:
        """What the heads of alignment look at while tokens are read, (H, T, S).

        Args:
            memory: (S, D), of one window.
            tokens: list of T ids, from START on.
        """
        self._watcher = self._watcher or Watcher(self.model, self.heads)
        target = np.full((1, -(-len(tokens) // LENGTHS) * LENGTHS), END, "int32")
        target = target[:, : self.model.decoder.stack.positions.length]
        target[0, : len(tokens)] = tokens
        return self._watcher.watch(memory[None], target)[0, :, : len(tokens)]

    def languages(self, log_probs: np.ndarray) -> list[dict[str, float]]:
        """How probable each language is, most probable first, of what `listen` said of START."""
        codes, ids = zip(*self.processor.languages.items(), strict=True)
        found = np.exp(log_probs[:, list(ids)].astype("float64"))
        found = found / found.sum(axis=1, keepdims=True)
        order = np.argsort(-found, axis=1, kind="stable")
        return [
            {codes[i]: float(row[i]) for i in places}
            for row, places in zip(found, order, strict=True)
        ]

    def no_speech(self, log_probs: np.ndarray) -> np.ndarray:
        """The probability that nobody speaks, of what `listen` said of START."""
        if self.processor.silence is None:
            return np.zeros(len(log_probs))
        return np.exp(log_probs[:, self.processor.silence].astype("float64"))

    def searcher(self, timestamps: bool, beams: bool) -> Searcher:
        """The searches by one set of rules."""
        key = timestamps, beams
        if key not in self._searchers:
            processor = self.processor
            rules = SpeechRules(
                suppress=(*processor.suppress, *([processor.timeless] if timestamps else [])),
                begin_suppress=processor.begin_suppress,
                timestamps=(processor.first_time, processor.last_time) if timestamps else None,
                latest_begin=processor.latest_begin,
                text=processor.text_end,
                keeps_mass=beams,
            )
            model = Prompted(self.model, rules)
            self._searchers[key] = Searcher(
                model, lambda source: NO_LIMIT, processor.max_target_length
            )
        return self._searchers[key]

    def write(
        self,
        memories: np.ndarray,
        prompts: np.ndarray,
        timestamps: bool,
        options: dict[str, Any],
        defaults: dict[str, Any],
        turn: int = 0,
    ) -> tuple[list[list[int]], list[float]]:
        """Searches for the tokens of windows that were encoded.

        Args:
            memories: (B, S, D).
            prompts: (B, P) int, from START, or what was said before it, on.
            timestamps: bool, whether they are written.
            options: dict, of the search.
            defaults: dict, of the checkpoint.
            turn: int, the number of the window, for the random numbers.

        Returns:
            The tokens of each row, without END, and the mean log-probabilities of its tokens.
        """
        positions = self.model.decoder.stack.positions
        # END itself is read by nobody, so it needs no position.
        room = min(self.processor.max_target_length, positions.length - prompts.shape[1] + 1)
        asked = {**defaults, **options}
        limit = room if asked.get("max_length") is None else min(room, asked["max_length"])
        probe = self.searcher(timestamps, False).plan(options, defaults, return_scores=True)
        beams = probe.strategy == "beam"
        searcher = self.searcher(timestamps, beams)
        search = probe._replace(max_length=limit, prefix=None)
        found = searcher.run(search, list(memories), turn, prompts)
        rows = [[int(x) for x in row if x not in (PAD, END)] for row in found.tokens[:, 0]]
        counts = (found.tokens[:, 0] != PAD).sum(axis=1)
        scores = found.scores[:, 0] / (1 if beams else counts)
        return rows, [float(x) for x in scores]

    def speak(
        self,
        memories: np.ndarray,
        prompts: Sequence[Sequence[int]],
        no_speech: np.ndarray,
        timestamps: bool,
        options: dict[str, Any],
        defaults: dict[str, Any],
        temperatures: Sequence[float],
        thresholds: Thresholds,
        turn: int = 0,
    ) -> list[Spoken]:
        """As `write`, each row at the first of the temperatures at which it is good enough.

        Rows with prompts of one length are written together.
        """
        spoken: list[Spoken | None] = [None] * len(prompts)
        left = list(range(len(prompts)))
        for i, temperature in enumerate(temperatures):
            again = []
            by_width: dict[int, list[int]] = {}
            for row in left:
                by_width.setdefault(len(prompts[row]), []).append(row)
            for rows in by_width.values():
                given = np.array([prompts[row] for row in rows], "int32")
                asked = options if not temperature else drawn(options, temperature)
                number = turn * len(temperatures) + i
                found = self.write(memories[rows], given, timestamps, asked, defaults, number)
                for row, tokens, score in zip(rows, *found, strict=True):
                    silence = float(no_speech[row])
                    good, skipped = self._judge(tokens, score, silence, thresholds)
                    spoken[row] = Spoken(tokens, score, silence, temperature, skipped)
                    if not good:
                        again.append(row)
            left = sorted(again)
            if not left:
                break
        return [x for x in spoken if x is not None]

    def _judge(self, tokens, score, no_speech, limits):
        """Whether what was written is good enough, and whether nothing was said."""
        poor = limits.score is not None and score < limits.score
        if limits.no_speech is not None and no_speech > limits.no_speech and poor:
            return True, True
        text = self.processor.decode(np.array([*tokens, END])).encode()
        ratio = len(text) / len(zlib.compress(text)) if text else 0.0
        dull = limits.compression_ratio is not None and ratio > limits.compression_ratio
        return not (poor or dull), False

    def start(self, count: int) -> np.ndarray:
        """Prompts (count, 1) of START alone."""
        return np.full((count, 1), START, "int32")


def drawn(options: dict[str, Any], temperature: float) -> dict[str, Any]:
    """The options of a search that draws at a temperature, of one that does not."""
    options = {
        name: value for name, value in options.items() if "sample" in OPTIONS[name].strategies
    }
    return {"seed": 0, **options, "strategy": "sample", "temperature": temperature}

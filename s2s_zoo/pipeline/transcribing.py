"""Recordings of any length to text, as Whisper goes through them (2212.04356, section 4.5)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from s2s_zoo.generation.options import OPTIONS, check_names
from s2s_zoo.generation.searcher import Search
from s2s_zoo.pipeline.listening import Listening, Window
from s2s_zoo.pipeline.speaking import Speaker, Spoken, Thresholds
from s2s_zoo.pipeline.transcript import Segment, Transcript, Word
from s2s_zoo.pipeline.words import timed_words
from s2s_zoo.protocol import END, START
from s2s_zoo.protocol.errors import DataError
from s2s_zoo.protocol.registry import check_keys, check_option

TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
TOGETHER = 8  # windows at once; each takes what the squares of 1,500 places take
STEP = 16  # tokens: what was said before is shown in few lengths, so few compilations
TIME = 0.02  # seconds of a timestamp, two frames
TASKS = ("transcribe", "translate")


class Request(NamedTuple):
    """What a call asks of every recording, beside its search.

    Attributes:
        language: str, a code or an English name, or None to find out.
        task: "transcribe", or "translate": write English, whatever is spoken.
        return_timestamps: bool, give a `Transcript`; "word", with the times of words in it.
        temperature: float, or several, from which the first is taken that writes well.
        compression_ratio_threshold, logprob_threshold, no_speech_threshold: see `Thresholds`.
        condition_on_previous_text: bool, show the model what it wrote of the window before.
        initial_prompt: str, what is shown to it as what was said before the recording: names and
            spellings of it.
        hot_words: str or list of str, words that are shown to it before every window.
    """

    language: str | None = None
    task: str = "transcribe"
    return_timestamps: Any = False
    temperature: Any = TEMPERATURES
    compression_ratio_threshold: float | None = 2.4
    logprob_threshold: float | None = -1.0
    no_speech_threshold: float | None = 0.6
    condition_on_previous_text: bool = False
    initial_prompt: str | None = None
    hot_words: Any = None


class Transcriber:
    """Transcribes recordings, several at once.

    Args:
        model: a `Seq2Seq` of the Whisper family.
        processor: its `PretrainedAudioProcessor`.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        self.processor = processor
        self.speaker = Speaker(model, processor)

    def __call__(
        self,
        sources: Any,
        defaults: dict[str, Any],
        batch_size: int,
        progress: bool | None,
        options: dict[str, Any],
    ) -> Any:
        """As a call of `Pipeline`.

        Args:
            sources: what `Recording` takes, a list or an iterator of such, or a folder.
            defaults: dict, the options of the search that hold where nothing is said.
            batch_size: int, recordings at once, `TOGETHER` at most.
            progress: bool or None, show a bar over the seconds.
            options: dict, fields of `Request` and options of the search.

        Returns:
            A str, or a `Transcript`; a list of them, or a generator.
        """
        request, searching = self._request(options)
        sources, single = self.processor.collect(sources)
        found = self._run(iter(sources), request, searching, defaults, batch_size, progress)
        answers = (
            Transcript("".join(x.text for x in y).strip(), tuple(y), *about) for y, about in found
        )
        made = answers if request.return_timestamps else (x.text for x in answers)
        if single:
            return next(made)
        return list(made) if hasattr(sources, "__len__") else made

    def refuse(self, **arguments: Any) -> None:
        """Raises ValueError for arguments of a call that say nothing to a transcription."""
        if given := [name for name, value in arguments.items() if value]:
            raise ValueError(
                f"A transcription knows no {', '.join(given)}. Leave it out: language= and task= "
                "say what is spoken and written, return_timestamps=True gives times and scores."
            )

    def stream(
        self, source: Any, defaults: dict[str, Any], options: dict[str, Any]
    ) -> Iterator[Any]:
        """Yields each `Segment` of one recording as it is found; arguments as of a call."""
        request, searching = self._request(options)
        sources, single = self.processor.collect(source)
        if not single:
            raise ValueError(f"stream expected one source. Received: {type(source).__name__}.")
        return self._segments(Listening(self.processor, sources[0]), request, searching, defaults)

    def plan(self, options: dict[str, Any], defaults: dict[str, Any]) -> Search:
        """Says how a call with some options searches, without searching; arguments as of a call.

        Raises:
            ValueError, DataError: as a call does for its options.
        """
        _, searching = self._request(options)
        return self.speaker.searcher(False, False).plan(searching, defaults, return_scores=True)

    def detect_language(self, source: Any) -> dict[str, float]:
        """How probable each language is in the first window of a recording, best first.

        Raises:
            DataError: for a model of one language.
        """
        if not self.processor.multilingual:
            raise DataError("This checkpoint knows English alone, so it tells no languages apart.")
        window = Listening(self.processor, source).window()
        heard = self.speaker.listen(self.speaker.start(1), source=window.features[None])
        return self.speaker.languages(heard["log_probs"])[0]

    def _request(self, options):
        ours = {name: value for name, value in options.items() if name in Request._fields}
        searching = {name: value for name, value in options.items() if name not in ours}
        check_keys(searching, {*OPTIONS, *Request._fields}, "transcription")
        check_names(searching)
        if (searching.get("num_return") or 1) > 1:
            raise ValueError(
                "A transcription is one text for each recording. Received: "
                f"num_return={searching['num_return']}. Leave it out."
            )
        if searching.get("forced_prefix") is not None:
            raise ValueError(
                "A transcription begins with what is spoken. Received: "
                f"forced_prefix={searching['forced_prefix']!r:.80}. Use initial_prompt= to show "
                "names and spellings."
            )
        request = Request(**ours)
        check_option("transcribe", "task", request.task, TASKS)
        times = request.return_timestamps
        check_option("transcribe", "return_timestamps", times, (False, True, "word"))
        if times == "word" and not self.speaker.heads:
            raise DataError(
                "This checkpoint does not say which heads look at the sound of a word "
                "(alignment_heads in generation_config.json). Received: "
                "return_timestamps='word'. Use True."
            )
        if request.task == "translate" and not self.processor.multilingual:
            raise DataError(
                "This checkpoint writes what is spoken in English. Received: task='translate'. "
                "Use a multilingual one."
            )
        if request.language is not None:
            self.processor.language_id(request.language)
        temperatures = request.temperature
        if isinstance(temperatures, int | float):
            temperatures = (temperatures,)
        if not temperatures or not all(0 <= x <= 10 for x in temperatures):
            raise ValueError(
                "transcribe expected temperature from 0 to 10, or several. Received: "
                f"temperature={request.temperature!r}."
            )
        return request._replace(temperature=tuple(temperatures)), searching

    def _run(self, sources, request, searching, defaults, batch_size, progress):
        """Yields for each recording, in order, its segments, its language and its seconds."""
        from tqdm import tqdm

        if batch_size < 1:
            raise ValueError(
                f"Pipeline expected a batch_size of at least 1. Received: batch_size={batch_size}."
            )
        waiting: list[tuple[Listening, list[Segment]]] = []
        disable = {None: None, True: False, False: True}[progress]
        with tqdm(total=None, disable=disable, delay=0 if progress else 2, unit=" s") as bar:
            for turn in itertools.count():
                active = [x for x in waiting if not x[0].ended]
                while len(active) < min(batch_size, TOGETHER):
                    source = next(sources, bar)
                    if source is bar:
                        break
                    waiting.append((self._begin(source, request), []))
                    active += [] if waiting[-1][0].ended else waiting[-1:]
                while waiting and waiting[0][0].ended:
                    listening, segments = waiting.pop(0)
                    yield segments, (self._code(listening.language), listening.seconds)
                if not active:
                    return
                before = sum(x.place for x, _ in active)
                listenings = [x for x, _ in active]
                found = self._step(listenings, request, searching, defaults, turn)
                for (_, segments), new in zip(active, found, strict=True):
                    segments += new
                after = sum(min(x.place, x.frames) for x, _ in active)
                bar.update(round((after - before) * self.processor.hop / self.processor.rate, 1))

    def _segments(self, listening, request, searching, defaults):
        self._tell(listening, request)
        for turn in itertools.count():
            if listening.ended:
                return
            yield from self._step([listening], request, searching, defaults, turn)[0]

    def _begin(self, source, request):
        listening = Listening(self.processor, source)
        self._tell(listening, request)
        return listening

    def _tell(self, listening, request):
        if request.language is not None:
            listening.language = self.processor.language_id(request.language)
        if request.initial_prompt:
            listening.history += self._ids(request.initial_prompt)

    def _ids(self, text):
        if not isinstance(text, str):
            raise TypeError(f"transcribe expected a prompt to be a str. Received: {text!r:.80}.")
        return self.processor.target_tokenizer.encode([" " + text.strip()])[0]

    def _step(self, listenings, request, searching, defaults, turn):
        """The segments of the next window of each recording."""
        speaker, count = self.speaker, len(listenings)
        windows = [x.window() for x in listenings]
        filled = 1 << (count - 1).bit_length()  # few batches, so few compilations
        features = np.zeros((filled, *windows[0].features.shape), "float32")
        for i, window in enumerate(windows):
            features[i] = window.features
        heard = speaker.listen(speaker.start(filled), source=features)
        memories, log_probs = (heard[name][:count] for name in ("memory", "log_probs"))
        if self.processor.multilingual:
            for listening, languages in zip(listenings, speaker.languages(log_probs), strict=True):
                if listening.language is None:
                    listening.language = self.processor.languages[next(iter(languages))]
        before = [self._before(x, request) for x in listenings]
        silence = speaker.no_speech(log_probs)
        for i, shown in enumerate(before):
            if shown:
                prompt = np.array([[*shown, START]], "int32")
                said = speaker.listen(prompt, memory=memories[i : i + 1])
                silence[i] = speaker.no_speech(said["log_probs"])[0]
        # Windows follow the timestamps, so a long recording has them, whoever asks.
        timed = [bool(request.return_timestamps) or x.is_long for x in listenings]
        found: list[Any] = [None] * count
        for timestamps in sorted(set(timed)):
            rows = [i for i in range(count) if timed[i] == timestamps]
            prompts = [
                [*before[i], START]
                + self.processor.prompt(listenings[i].language, request.task, timestamps)
                for i in rows
            ]
            spoken = speaker.speak(
                memories[rows],
                prompts,
                silence[rows],
                timestamps,
                searching,
                defaults,
                request.temperature,
                Thresholds(
                    request.compression_ratio_threshold,
                    request.logprob_threshold,
                    request.no_speech_threshold,
                ),
                turn,
            )
            for i, said in zip(rows, spoken, strict=True):
                memory = memories[i] if request.return_timestamps == "word" else None
                told = listenings[i], windows[i], said, request, timestamps
                found[i] = self._take(*told, memory)
        return found

    def _before(self, listening, request):
        """What is shown before START: <|startofprev|> and tokens, or nothing."""
        words = request.hot_words
        words = words if isinstance(words, str) or not words else ", ".join(words)
        hot = self._ids(words) if words else []
        room = self.speaker.model.decoder.stack.positions.length // 2 - 1
        shown = listening.history
        if request.condition_on_previous_text or not listening.place:
            said = shown[len(shown) % STEP :] if listening.place else shown
        else:
            said = []
        shown = [*hot, *said][-(room - 1) :]
        return [self.processor.previous, *shown] if shown else []

    def _take(self, listening, window, spoken: Spoken, request, timestamps, memory):
        """The segments of a window, after which the recording goes on where they end."""
        if spoken.skipped:
            listening.go_on(window.frames)
            return []
        if timestamps:
            parts, frames = timed_parts(spoken.tokens, self.processor.first_time, window)
        else:
            seconds = window.frames * self.processor.hop / self.processor.rate
            parts, frames = [(spoken.tokens, 0.0, seconds)], window.frames
        first = window.start * self.processor.hop / self.processor.rate
        texts = [[x for x in tokens if x < self.processor.timeless] for tokens, _, _ in parts]
        words = self._words(listening, window, texts, request, memory)
        segments = []
        for tokens, (_, start, end), said in zip(texts, parts, words, strict=True):
            text = self.processor.decode(np.array([*tokens, END]))
            if text.strip():
                about = spoken.score, spoken.no_speech, spoken.temperature
                said = tuple(Word(x.text, first + x.start, first + x.end) for x in said)
                segments.append(Segment(text, first + start, first + end, *about, said))
                listening.history += tokens
        listening.go_on(frames)
        return segments

    def _words(self, listening, window, texts, request, memory):
        """The words of each segment of a window, where they are asked for."""
        if memory is None:
            return [()] * len(texts)
        prompt = [START, *self.processor.prompt(listening.language, request.task, False)]
        tokens = [token for part in texts for token in part]
        weights = self.speaker.watch(memory, [*prompt, *tokens])[:, len(prompt) - 1 :]
        language = self._code(listening.language)
        written = weights[:, : len(tokens)]
        return timed_words(self.processor, texts, written, window.frames, language)

    def _code(self, language):
        codes = {number: code for code, number in self.processor.languages.items()}
        return codes.get(language)


def timed_parts(
    tokens: list[int], first_time: int, window: Window
) -> tuple[list[tuple[list[int], float, float]], int]:
    """Cuts the tokens of a window where two timestamps meet.

    Args:
        tokens: list of int, without END.
        first_time: int, the id of <|0.00|>.
        window: the Window.

    Returns:
        parts: list of (tokens, start, end), seconds from the beginning of the window.
        frames: int, how far the window is done: up to the last pair of timestamps, as what is
            behind it may be cut off; all of it where its last timestamp stands alone.
    """
    times = [x >= first_time for x in tokens]
    alone = times[-2:] == [False, True]
    cuts = [i for i in range(1, len(tokens)) if times[i - 1] and times[i]]
    per_time = 2  # frames
    if not cuts:
        stamps = [x for x in tokens if x >= first_time]
        end = window.frames // per_time * TIME
        if stamps and stamps[-1] != first_time:
            end = (stamps[-1] - first_time) * TIME
        return [(tokens, 0.0, end)], window.frames
    if alone:
        cuts.append(len(tokens))
    parts, last = [], 0
    for cut in cuts:
        part = tokens[last:cut]
        start, end = ((part[i] - first_time) * TIME for i in (0, -1))
        parts.append((part, start, end))
        last = cut
    if alone:
        return parts, window.frames
    return parts, (tokens[last - 1] - first_time) * per_time

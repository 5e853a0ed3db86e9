"""What a pipeline says of a recording: its text, and when each part of it was spoken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from s2s_zoo.protocol.errors import S2SZooError
from s2s_zoo.protocol.registry import check_option
from s2s_zoo.protocol.types import StrPath

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_DRAWN = 300


class Word(NamedTuple):
    """A word of a segment.

    Attributes:
        text: str, with the space before it, if there is one.
        start, end: float, seconds.
    """

    text: str
    start: float
    end: float


class Segment(NamedTuple):
    """A part of a recording that was transcribed as one.

    Attributes:
        text: str.
        start, end: float, seconds from the beginning of the recording.
        score: float, the mean log-probability of the tokens of its window.
        no_speech: float, how probable it is that nobody speaks in its window.
        temperature: float, at which its window was written; 0 without drawing.
        words: tuple of Word, where they were asked for.
    """

    text: str
    start: float
    end: float
    score: float = 0.0
    no_speech: float = 0.0
    temperature: float = 0.0
    words: tuple[Word, ...] = ()


class Transcript(NamedTuple):
    """The transcription of a recording.

    Attributes:
        text: str, all of it.
        segments: tuple of Segment, in order.
        language: str, the code of what was spoken, or None of a model of one language.
        seconds: float, the length of the recording.
    """

    text: str
    segments: tuple[Segment, ...] = ()
    language: str | None = None
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON of all of it."""
        segments = [
            {**x._asdict(), "words": [word._asdict() for word in x.words]} for x in self.segments
        ]
        return {**self._asdict(), "segments": segments}

    def plot(self, path: StrPath | None = None) -> Figure:
        """Draws when each word was spoken, or each segment where there are no words.

        Args:
            path: str or path of the picture to write, of a kind that matplotlib writes, by its
                ending; None writes none.

        Returns:
            The matplotlib Figure. `s2s_zoo.plots.plot_transcription` draws what was heard too.

        Raises:
            S2SZooError: where nothing was said, or more than `MOST_DRAWN` words; no matplotlib, or
                it does not know the ending.
        """
        spans: list[Any] = [word for segment in self.segments for word in segment.words]
        spans = spans or list(self.segments)
        if not 0 < len(spans) <= MOST_DRAWN:
            raise S2SZooError(
                f"A picture has 1 to {MOST_DRAWN} words. Received: {len(spans)}. Transcribe a part "
                "of the recording in which somebody speaks."
            )
        from s2s_zoo.pipeline.plots import timeline

        return timeline(spans, self.seconds, path)

    def _repr_png_(self):
        from s2s_zoo.pipeline.plots import png

        return png(self)

    def subtitles(self, kind: str = "srt") -> str:
        """The segments with their times, for a player or a table.

        Args:
            kind: "srt" (SubRip), "vtt" (WebVTT), or "tsv" (start and end in milliseconds, text).

        Raises:
            ValueError: for another kind.
        """
        check_option("subtitles", "kind", kind, ("srt", "vtt", "tsv"))
        spoken = [(x.start, x.end, " ".join(x.text.split())) for x in self.segments]
        if kind == "tsv":
            rows = [f"{1000 * a:.0f}\t{1000 * b:.0f}\t{text}" for a, b, text in spoken]
            return "\n".join(["start\tend\ttext", *rows]) + "\n"
        mark, head = (",", []) if kind == "srt" else (".", ["WEBVTT\n"])
        cues = [
            # What would end a cue, or its line of times, in the middle of a text.
            f"{_clock(a, mark)} --> {_clock(b, mark)}\n{text.replace('-->', '->')}\n"
            for a, b, text in spoken
        ]
        if kind == "srt":
            cues = [f"{i}\n{cue}" for i, cue in enumerate(cues, 1)]
        return "\n".join([*head, *cues])


def _clock(seconds, mark):
    whole = round(1000 * seconds)
    minutes, rest = divmod(whole, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{mark}{rest % 1000:03}"

"""How the texts of a call are summarized: how long, in which form, and what is checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from s2s_zoo.data.text.formats import FORMATS, parse
from s2s_zoo.data.text.passages import prose_of
from s2s_zoo.pipeline.doubts import doubt
from s2s_zoo.pipeline.questions import Asking, take_asking
from s2s_zoo.pipeline.reading import Reading, least_trusted, take_reading, with_all_beams
from s2s_zoo.pipeline.result import Result
from s2s_zoo.protocol.registry import lookup
from s2s_zoo.protocol.tasks import SUMMARIZATION

if TYPE_CHECKING:
    from s2s_zoo.pipeline.pipeline import Pipeline

LENGTHS = {"line": 1, "short": 3, "paragraph": 6}  # sentences
MOST_SENTENCES = 1000
PAGES = ("text", "html", "markdown", "srt", "vtt")  # the formats of a text that is given as a str
OF_TRANSLATION = ("protect", "keep", "terms", "notation", "markdown")
OPTIONS = ("split", "length", "bullets", "format", "faithful", "extract", "detect", "doubt")


@dataclass(frozen=True)
class Summarizing:
    """How texts are summarized.

    Attributes:
        languages: tuple of str, those that the model reads; empty where nobody says.
        split: bool, read a text in passages where it is longer than the model reads at once, and
            give one back that is shorter than its summary.
        count: int, sentences of a summary.
        bullets: bool, each of them on a line of its own after "- ".
        format: str, one of `PAGES`, of the texts.
        faithful: bool, take the best hypothesis that has no number and no name that its text has
            not, and that does not repeat itself; where there is none, warn.
        extract: bool, give a sentence of the text, and say so, where there is no such hypothesis
            or the model is not sure of any; not where alignments were asked for.
        detect: bool, summarize no text that is certainly in another language.
        doubt: float, the least log-probability of a token that is trusted, or None.
    """

    languages: tuple[str, ...] = ()
    split: bool = False
    count: int = 1
    bullets: bool = False
    format: str = "text"
    faithful: bool = False
    extract: bool = False
    detect: bool = False
    doubt: float | None = None

    @property
    def source(self) -> str | None:
        """The language of the texts, or None where nobody knows."""
        return self.languages[0] if len(self.languages) == 1 else None

    def plain(self, text: str) -> str:
        """A text of the format as a person reads it."""
        if self.format == "text":
            return text
        return prose_of(parse(text, self.format))

    def doubts(self, source: str, result: Result, at_limit: bool) -> str | None:
        """What should make a reader look twice at what a model wrote, or None."""
        return doubt(source, result.text, result.score_per_token, at_limit, self.doubt)

    def searched(self, options: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
        """The options of a search that gives as many hypotheses as there are to choose from."""
        return with_all_beams(options, defaults) if self.faithful or self.extract else options


def take_summarizing(
    pipeline: Pipeline, options: dict[str, Any], source: str | None = None
) -> tuple[Summarizing | None, dict[str, Any]]:
    """Takes the options of summarizing out of those of a call.

    Args:
        pipeline: a Pipeline for summarization.
        options: dict, the `**options` of the call.
        source: str, the language of the call, or None for those of the checkpoint.

    Returns:
        The Summarizing, None where each text goes to the model as it is, and the other options.

    Raises:
        ValueError: for an option of another kind, or outside its range.
    """
    given = {name: options[name] for name in OPTIONS if options.get(name) is not None}
    rest = {name: value for name, value in options.items() if name not in OPTIONS}
    if others := [name for name in OF_TRANSLATION if rest.pop(name, None) not in (None, False)]:
        more = " Give format='markdown'." if "markdown" in others else " Leave it out."
        raise ValueError(
            f"{', '.join(others)} is for translation. Received: task={pipeline.task!r}.{more}"
        )
    for name in ("split", "bullets", "faithful", "extract", "detect"):
        if not isinstance(given.get(name, True), bool):
            raise ValueError(f"{name} expected True or False. Received: {given[name]!r:.80}.")
    known = bool(pipeline.languages)
    count = _count(given.get("length", "line"))
    bullets, split = given.get("bullets", False), given.get("split", known)
    if (count > 1 or bullets) and not given.get("split", True):
        raise ValueError(
            "Several sentences are those of several passages. Received: split=False, "
            f"length={given.get('length')!r}, bullets={bullets}. Leave split out."
        )
    format = given.get("format", "text")
    if format not in PAGES:
        known_ones = ", ".join(PAGES)
        more = " Read its bytes with s2s-zoo summarize --input." if format in FORMATS else ""
        raise ValueError(f"format expected one of {known_ones}. Received: {format!r:.80}.{more}")
    how = Summarizing(
        (source,) if source else tuple(dict.fromkeys(pipeline.languages)),
        split or count > 1 or bullets,
        count,
        bullets,
        format,
        given.get("faithful", known),
        given.get("extract", known),
        given.get("detect", known),
        least_trusted(given.get("doubt", pipeline.doubt)),
    )
    asked = (
        how.split,
        how.faithful,
        how.extract,
        how.detect,
        how.format != "text",
        how.doubt is not None,
    )
    return (how if any(asked) else None), rest


def _count(length: Any) -> int:
    """The sentences that a length means."""
    if isinstance(length, str):
        return lookup(LENGTHS, length, "length")
    if isinstance(length, bool) or not isinstance(length, int):
        expected = " or ".join([*map(repr, LENGTHS), "a number of sentences"])
        raise ValueError(f"length expected {expected}. Received: {length!r:.80}.")
    if not 1 <= length <= MOST_SENTENCES:
        raise ValueError(
            f"length expected from 1 to {MOST_SENTENCES} sentences. Received: {length}."
        )
    return length


def take_how(
    pipeline: Pipeline, options: dict[str, Any], source: str | None, target: str | None
) -> tuple[Reading | Summarizing | Asking | None, dict[str, Any]]:
    """Takes the options of how texts are read out of those of a call, as its task has them.

    Arguments, result and errors: as of `take_reading`, `take_summarizing` and `take_asking`.
    """
    asking, options = take_asking(pipeline, options)
    if asking is not None:
        return asking, take_reading(pipeline, options, source, target)[1]
    if pipeline.task == SUMMARIZATION.name:
        return take_summarizing(pipeline, options, source)
    return take_reading(pipeline, options, source, target)

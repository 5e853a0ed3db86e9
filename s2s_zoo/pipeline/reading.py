"""How the texts of a call are read: in sentences, and what of them stays as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from s2s_zoo.data.text.detection import KNOWN, code_of, detect, foreign
from s2s_zoo.data.text.normal import shortened
from s2s_zoo.data.text.numbers import in_notation
from s2s_zoo.data.text.spans import Span, find_spans
from s2s_zoo.generation.options import BEAM, beams_of, strategy_of
from s2s_zoo.pipeline.doubts import doubt
from s2s_zoo.pipeline.result import Result
from s2s_zoo.protocol.tasks import TASKS

if TYPE_CHECKING:
    from s2s_zoo.pipeline.pipeline import Pipeline

OPTIONS = ("split", "protect", "keep", "terms", "notation", "markdown", "detect", "doubt")


@dataclass(frozen=True)
class Reading:
    """How texts are read.

    Attributes:
        sources: tuple of str, the language of the texts, or those that it may be; empty where
            nobody says.
        target: str, that of their translations, or None.
        split: bool, part a text into sentences, and put them together again.
        protect: bool, see to it that addresses, numbers, placeholders and markup come through.
        keep: words that come through as they are.
        terms: {word or phrase: its translation}.
        notation: bool, write numbers and times as the target language does.
        markdown: bool, the texts have the inline markup of Markdown.
        detect: bool, leave a sentence as it is that is in another language than those of the texts.
        doubt: float, the least log-probability of a token that is trusted, or None where nothing is
            doubted.
    """

    sources: tuple[str, ...] = ()
    target: str | None = None
    split: bool = False
    protect: bool = False
    keep: tuple[str, ...] = ()
    terms: Mapping[str, str] = field(default_factory=dict)
    notation: bool = True
    markdown: bool = False
    detect: bool = False
    doubt: float | None = None

    def source(self, text: str) -> str | None:
        """The language of a text, or None where nobody knows."""
        if len(self.sources) < 2:
            return self.sources[0] if self.sources else None
        known = [language for language in self.sources if code_of(language) in KNOWN]
        return detect(text, known).language if known else None

    def foreign(self, sentence: str) -> str | None:
        """What to say of a sentence that is in another language than those that are read."""
        if not (self.detect and self.target):
            return None
        language = foreign(sentence, self.sources, self.target)
        if language is None:
            return None
        return (
            f"A sentence is in {language!r}, and what is read is {', '.join(self.sources)}; it is "
            f"given as it is: {shortened(sentence)}. detect=False translates it all the same."
        )

    def doubts(self, source: str, result: Result, at_limit: bool) -> str | None:
        """What should make a reader look twice at what a model wrote, or None."""
        per_token = result.score_per_token
        return doubt(source, result.text, per_token, at_limit, self.doubt, self.target)

    def spans(self, sentence: str) -> list[Span]:
        """What has to come through of a sentence, in order."""
        kinds = {} if self.protect else {"kinds": ("keep", "term")}
        spans = find_spans(sentence, self.keep, self.terms, markdown=self.markdown, **kinds)
        if self.notation and self.target and spans and (source := self.source(sentence)):
            return in_notation(sentence, spans, source, self.target)
        return spans


def take_reading(
    pipeline: Pipeline, options: dict[str, Any], source: str | None, target: str | None
) -> tuple[Reading | None, dict[str, Any]]:
    """Takes the options of reading out of those of a call.

    Args:
        pipeline: a Pipeline.
        options: dict, the `**options` of the call.
        source, target: str, the languages of the call, or None for those of the checkpoint.

    Returns:
        The Reading, None where each text goes to the model as it is, and the other options.

    Raises:
        ValueError: for an option of another kind, a word that is kept and a term, or a task whose
            texts are not read so.
    """
    given = {name: options[name] for name in OPTIONS if options.get(name) is not None}
    rest = {name: value for name, value in options.items() if name not in OPTIONS}
    if not TASKS[pipeline.task].reads_sentences:
        asked_for = [name for name, value in given.items() if value is not False]
        if asked_for:
            raise ValueError(
                f"{', '.join(asked_for)} is for translation. Received: task={pipeline.task!r}. "
                "Leave it out."
            )
        return None, rest
    for name in ("split", "protect", "notation", "markdown", "detect"):
        if not isinstance(given.get(name, True), bool):
            raise ValueError(f"{name} expected True or False. Received: {given[name]!r}.")
    languages = pipeline.languages
    sources = [source] if source else languages[:-1]
    target = target or (languages[-1] if languages else None)
    between_languages = bool(sources and target)
    reading = Reading(
        tuple(sources),
        target,
        given.get("split", between_languages),
        given.get("protect", between_languages),
        _words(given.get("keep", ())),
        _terms(given.get("terms", {})),
        given.get("notation", True),
        given.get("markdown", False),
        given.get("detect", between_languages),
        least_trusted(given.get("doubt", pipeline.doubt)),
    )
    reading.spans("")  # says what is wrong with the words of the user
    asked = (reading.split, reading.protect, reading.keep, reading.terms, reading.detect)
    plain = not any(asked) and reading.doubt is None
    return None if plain else reading, rest


def with_all_beams(options: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """The options of a beam search that gives all of its hypotheses; those of another stay."""
    if strategy_of(options, defaults) != BEAM:
        return options
    return {**options, "num_return": beams_of(options, defaults)}


def _words(keep: Iterable[str]) -> tuple[str, ...]:
    words = () if isinstance(keep, str) else tuple(keep)
    if isinstance(keep, str) or not all(isinstance(word, str) for word in words):
        raise ValueError(f"keep expected a list of words. Received: {keep!r:.80}.")
    return words


def _terms(terms: Mapping[str, str]) -> Mapping[str, str]:
    try:
        pairs: dict[Any, Any] = dict(terms)
    except (TypeError, ValueError):
        pairs = {None: None}
    if not all(isinstance(text, str) for pair in pairs.items() for text in pair):
        raise ValueError(
            f"terms expected a dict of words and their translations. Received: {terms!r:.80}."
        )
    return pairs


def least_trusted(doubt: Any) -> float | None:
    """The option `doubt` of a call as a number, None where nothing is doubted.

    Raises:
        ValueError: for anything else.
    """
    if doubt is None or doubt is False:
        return None
    if isinstance(doubt, bool) or not isinstance(doubt, int | float) or not doubt <= 0:
        raise ValueError(
            "doubt expected the least log-probability of a token that is trusted, such as -1.5, or "
            f"False. Received: {doubt!r}."
        )
    return float(doubt)

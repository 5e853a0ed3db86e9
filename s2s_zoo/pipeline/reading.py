"""How the texts of a call are read: in sentences, and what of them stays as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from s2s_zoo.data.text.numbers import in_notation
from s2s_zoo.data.text.spans import Span, find_spans
from s2s_zoo.protocol.tasks import TASKS

if TYPE_CHECKING:
    from s2s_zoo.pipeline.pipeline import Pipeline

OPTIONS = ("split", "protect", "keep", "terms", "notation", "markdown")


@dataclass(frozen=True)
class Reading:
    """How texts are read.

    Attributes:
        source: str, the language of the texts, or None where nobody says.
        target: str, that of their translations, or None.
        split: bool, part a text into sentences, and put them together again.
        protect: bool, see to it that addresses, numbers, placeholders and markup come through.
        keep: words that come through as they are.
        terms: {word or phrase: its translation}.
        notation: bool, write numbers and times as the target language does.
        markdown: bool, the texts have the inline markup of Markdown.
    """

    source: str | None = None
    target: str | None = None
    split: bool = False
    protect: bool = False
    keep: tuple[str, ...] = ()
    terms: Mapping[str, str] = field(default_factory=dict)
    notation: bool = True
    markdown: bool = False

    def spans(self, sentence: str) -> list[Span]:
        """What has to come through of a sentence, in order."""
        kinds = {} if self.protect else {"kinds": ("keep", "term")}
        spans = find_spans(sentence, self.keep, self.terms, markdown=self.markdown, **kinds)
        if self.notation and self.source and self.target:
            return in_notation(sentence, spans, self.source, self.target)
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
        if given:
            raise ValueError(
                f"{', '.join(given)} is for translation. Received: task={pipeline.task!r}. "
                "Leave it out."
            )
        return None, rest
    for name in ("split", "protect", "notation", "markdown"):
        if not isinstance(given.get(name, True), bool):
            raise ValueError(f"{name} expected True or False. Received: {given[name]!r}.")
    named = [*pipeline.languages, None, None][:2]
    source, target = source or named[0], target or named[1]
    between_languages = source is not None and target is not None
    reading = Reading(
        source,
        target,
        given.get("split", between_languages),
        given.get("protect", between_languages),
        _words(given.get("keep", ())),
        _terms(given.get("terms", {})),
        given.get("notation", True),
        given.get("markdown", False),
    )
    reading.spans("")  # says what is wrong with the words of the user
    plain = not (reading.split or reading.protect or reading.keep or reading.terms)
    return None if plain else reading, rest


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

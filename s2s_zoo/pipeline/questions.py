"""Questions over a text, as a model reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from s2s_zoo.data.targets import require_text
from s2s_zoo.protocol.tasks import QUESTION_ANSWERING

if TYPE_CHECKING:
    from s2s_zoo.pipeline.pipeline import Pipeline

TEMPLATE = "question: {question} context: {context}"  # of T5 (1910.10683, appendix D.15), FLAN-T5
OPTIONS = ("context", "template")


@dataclass(frozen=True)
class Asking:
    """How the questions of a call are put to a model.

    Attributes:
        context: str, the text that all questions are about; a tuple of str, one for each; or None,
            where a model is to answer from what it knows.
        template: str, what the model reads, with "{question}" and "{context}" in it.
    """

    context: str | tuple[str, ...] | None = None
    template: str = TEMPLATE

    def put(self, questions: Any) -> Any:
        """The sources of a call: each question with its context; a blank one stays blank.

        Args:
            questions: str, a list of them, or an iterator.

        Returns:
            The same, of sources.

        Raises:
            TypeError: for anything but text.
            ValueError: for several contexts that are not as many as the questions.
        """
        if isinstance(self.context, tuple):
            count = len(questions) if isinstance(questions, list | tuple) else None
            if count != len(self.context):
                received = "one, or an iterator" if count is None else count
                raise ValueError(
                    "A call expected one context, or a list of questions with a context for each. "
                    f"Received: {len(self.context)} contexts, questions: {received}."
                )
            return list(map(self.source, questions, self.context))
        if isinstance(questions, list | tuple):
            return [self.source(question, self.context) for question in questions]
        if isinstance(questions, Iterable) and not isinstance(questions, str | bytes | dict):
            return (self.source(question, self.context) for question in questions)
        return self.source(questions, self.context)

    def source(self, question: str, context: str | None) -> str:
        """What a model reads of one question."""
        require_text(question)
        if context is None or not question.strip():
            return question
        places = {"{question}": question, "{context}": context}
        return re.sub("|".join(places), lambda place: places[place[0]], self.template)


def take_asking(
    pipeline: Pipeline, options: dict[str, Any]
) -> tuple[Asking | None, dict[str, Any]]:
    """Takes the context of the questions out of the options of a call.

    Args:
        pipeline: a Pipeline.
        options: dict, the `**options` of the call.

    Returns:
        The Asking, None where nothing is asked, and the other options.

    Raises:
        ValueError: for a context that is no text, a template without its places, or another task.
    """
    given = {name: options[name] for name in OPTIONS if options.get(name) is not None}
    rest = {name: value for name, value in options.items() if name not in OPTIONS}
    if pipeline.task != QUESTION_ANSWERING.name:
        if given:
            raise ValueError(
                f"{', '.join(given)} is for questions. Received: task={pipeline.task!r}. Load the "
                f"checkpoint with task={QUESTION_ANSWERING.name!r}."
            )
        return None, rest
    template = given.get("template", TEMPLATE)
    if not isinstance(template, str) or any(
        template.count(place) != 1 for place in ("{question}", "{context}")
    ):
        raise ValueError(
            f"template expected a text with {{question}} and {{context}} in it, such as "
            f"{TEMPLATE!r}. Received: {template!r:.200}."
        )
    return Asking(_contexts(given.get("context")), template), rest


def _contexts(context: Any) -> str | tuple[str, ...] | None:
    if context is None or isinstance(context, str):
        return context
    texts = tuple(context) if isinstance(context, list | tuple) else ()
    if not texts or not all(isinstance(text, str) for text in texts):
        raise ValueError(
            "context expected a text, or a list of texts, one for each question. Received: "
            f"{context!r:.80}."
        )
    return texts

"""A dialogue: the turns so far, as much of them as a model reads, and the next one."""

from collections.abc import Iterable
from typing import Any

from s2s_zoo.data.targets import require_text
from s2s_zoo.pipeline.pipeline import Pipeline

SEPARATOR = "  "  # where a checkpoint says none


class Conversation:
    """Talks with a pipeline, which reads the turns so far and writes the next.

        talk = Conversation(from_pretrained("blenderbot_small-90M"))
        talk("Hello, how are you?")

    Args:
        pipeline: a `Pipeline` from text to text.
        turns: texts said before, the first by the user, the second by the model, and so on.
        separator: str, what stands between two turns, or None for that of the checkpoint.
        most_turns: int, how many of the last turns are read, or None for as many as fit.

    Attributes:
        turns: list of str, all of them, also those that are no longer read; it may be changed.

    Raises:
        ValueError: for a pipeline that does not read text, or fewer than one turn.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        turns: Iterable[str] = (),
        separator: str | None = None,
        most_turns: int | None = None,
    ) -> None:
        if pipeline.processor.reads != "text":
            raise ValueError(
                "Conversation expected a pipeline that reads text. Received: one that reads "
                f"{pipeline.processor.reads}. Load a checkpoint of dialogue, such as a Blenderbot."
            )
        if most_turns is not None and (type(most_turns) is not int or most_turns < 1):
            raise ValueError(
                "Conversation expected most_turns of at least 1, or None for as many as fit. "
                f"Received: {most_turns!r}."
            )
        said = getattr(pipeline.processor, "between_turns", None)
        self.pipeline = pipeline
        self.turns = list(turns)
        self.separator = separator if separator is not None else said or SEPARATOR
        self.most_turns = most_turns

    def __repr__(self) -> str:
        return f"Conversation({self.pipeline!r}, turns={len(self.turns)})"

    def __call__(self, text: str, **options: Any) -> Any:
        """Says a text, and returns the answer; both become turns.

        Args:
            text: str.
            **options: of a call of the pipeline.

        Returns:
            str, or `Result` where the options ask for one.

        Raises:
            TypeError: for anything but text.
            ValueError: for options that make several answers, as the pipeline does for others.
        """
        require_text(text)
        if options.get("num_return", self.pipeline.generation.get("num_return", 1)) != 1:
            raise ValueError(
                "Conversation goes on with one answer. Received: num_return="
                f"{options.get('num_return')!r}. Call it with num_return=1."
            )
        turns = [*self.turns, text]
        answer = self.pipeline(self.source_of(turns), **options)
        self.turns = [*turns, getattr(answer, "text", answer)]
        return answer

    def source_of(self, turns: list[str]) -> str:
        """What the model reads of turns: of the last ones as many as fit, and at least one."""
        processor = self.pipeline.processor
        turns = turns[-self.most_turns :] if self.most_turns else turns
        read = turns[-1]
        for turn in reversed(turns[:-1]):
            longer = f"{turn}{self.separator}{read}"
            [row] = processor.encode_source([longer], truncate=False)
            if len(row) > processor.max_source_length:
                break
            read = longer
        return read

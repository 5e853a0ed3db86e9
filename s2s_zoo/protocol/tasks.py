"""The tasks: what each reads, how long its answers may be, how they are scored and asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Reads: TypeAlias = Literal["text", "image", "audio"]


@dataclass(frozen=True)
class Task:
    """What a model does, as everything that knows of tasks sees it.

    Attributes:
        name: str, as `config.json` of a checkpoint has it.
        reads: what a source is.
        longest_target: function of a source length, an int or ints, to the most tokens of its
            target; END is counted on both sides.
        metrics: names of `s2s_zoo.metrics.METRICS`; the first decides which epoch is best.
        tag: str, what the Hub calls the task.
        command: str, of `s2s-zoo`, that does it.
        example: str, a source.
        reads_sentences: bool, a text may be read sentence by sentence.
    """

    name: str
    reads: Reads
    longest_target: Callable
    metrics: tuple[str, ...]
    tag: str
    command: str
    example: str = "some text"
    reads_sentences: bool = False


TRANSLATION = Task(
    name="translation",
    reads="text",
    longest_target=lambda source: 2 * source + 10,
    metrics=("bleu", "chrf"),
    tag="translation",
    command="translate",
    reads_sentences=True,
)
SUMMARIZATION = Task(
    name="summarization",
    reads="text",
    longest_target=lambda source: source + 512,
    metrics=("rouge1", "rouge2", "rougeL", "rougeLsum", "repetition"),
    tag="summarization",
    command="summarize",
)
TEXT2TEXT = Task(
    name="text2text",
    reads="text",
    longest_target=lambda source: source + 512,
    metrics=("bleu", "chrf"),
    tag="text2text",
    command="translate",
)
QUESTION_ANSWERING = Task(
    name="question_answering",
    reads="text",
    longest_target=lambda source: source + 512,
    metrics=("answer_f1", "exact_match"),
    tag="question-answering",
    command="answer",
    example="What is it about?",
)
CAPTIONING = Task(
    name="captioning",
    reads="image",
    longest_target=lambda source: 512,
    metrics=("bleu_1", "bleu_2", "bleu_3", "bleu_4", "cider", "meteor"),
    tag="image-to-text",
    command="caption",
    example="photo.jpg",
)
TRANSCRIPTION = Task(
    name="transcription",
    reads="audio",
    longest_target=lambda source: source // 2 + 16,
    metrics=("wer", "cer"),
    tag="automatic-speech-recognition",
    command="transcribe",
    example="talk.mp3",
)
TASKS = {
    task.name: task
    for task in (
        TRANSLATION,
        SUMMARIZATION,
        TEXT2TEXT,
        QUESTION_ANSWERING,
        CAPTIONING,
        TRANSCRIPTION,
    )
}

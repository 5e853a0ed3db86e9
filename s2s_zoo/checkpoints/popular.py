"""Checkpoints of the Hub that people load for each task, with the line that loads each.

A list, and no more: it needs no network, and what is known of a checkpoint beyond the tests of its
family is what its page said on the day that stands beside it. What nobody looked up is blank.
"""

from typing import NamedTuple

from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.registry import unknown_name
from s2s_zoo.protocol.tasks import (
    CAPTIONING,
    QUESTION_ANSWERING,
    SUMMARIZATION,
    TEXT2TEXT,
    TRANSCRIPTION,
    TRANSLATION,
)

LOOKED_UP = "2026-11-28"


class Popular(NamedTuple):
    """A checkpoint of the Hub.

    Attributes:
        repo_id: str, "organization/name".
        task: str, what it is loaded for here.
        family: str, its model_type.
        options: str, what `from_pretrained` is given beside the name, as it is written.
        license: str, as its page names it, or "".
        size: str, of its weights as its page lists them, or "".
        languages: str, codes or how many, as its page names them, or "".
    """

    repo_id: str
    task: str
    family: str
    options: str = ""
    license: str = ""
    size: str = ""
    languages: str = ""

    @property
    def line(self) -> str:
        """What loads it."""
        more = f", {self.options}" if self.options else ""
        return f'from_pretrained("hf://{self.repo_id}"{more})'

    @property
    def looked_up(self) -> str:
        """The day of what its page said, or ""."""
        return LOOKED_UP if self.license or self.size or self.languages else ""


_NAMED = {
    TRANSLATION: (
        (
            *("google-t5/t5-small", "t5"),
            *('task="translation", source="en", target="de"', "apache-2.0", "242 MB", "5"),
        ),
        (
            *("facebook/nllb-200-distilled-600M", "m2m_100"),
            *('source="deu_Latn", target="eng_Latn"', "cc-by-nc-4.0", "2.46 GB", "196"),
        ),
        ("facebook/m2m100_418M", "m2m_100", 'source="de", target="en"', "mit", "", "101"),
        ("Helsinki-NLP/opus-mt-en-de", "marian", "", "cc-by-4.0", "", "en, de"),
        ("Helsinki-NLP/opus-mt-de-en", "marian", "", "apache-2.0", "", "de, en"),
        (
            *("facebook/mbart-large-50-many-to-many-mmt", "mbart"),
            *('source="de", target="en"', "", "", "53"),
        ),
    ),
    SUMMARIZATION: (
        ("facebook/bart-large-cnn", "bart", "", "mit", "", "en"),
        ("sshleifer/distilbart-cnn-12-6", "bart", "", "apache-2.0", "", "en"),
        ("sshleifer/distilbart-cnn-6-6", "bart", "", "apache-2.0", "460 MB", "en"),
        ("google/pegasus-xsum", "pegasus"),
        ("patrickvonplaten/bert2bert_cnn_daily_mail", "encoder-decoder"),
        ("allenai/led-large-16384-arxiv", "led"),
        ("google/bigbird-pegasus-large-arxiv", "bigbird_pegasus"),
        ("pszemraj/long-t5-tglobal-base-16384-book-summary", "longt5"),
        ("microsoft/prophetnet-large-uncased-cnndm", "prophetnet"),
    ),
    QUESTION_ANSWERING: (
        ("google/flan-t5-base", "t5", 'task="question_answering"', "apache-2.0"),
        ("google/flan-t5-small", "t5", 'task="question_answering"', "apache-2.0"),
    ),
    TEXT2TEXT: (
        ("google/flan-t5-base", "t5", "", "apache-2.0"),
        ("google/byt5-small", "t5"),
        ("google/mt5-small", "mt5"),
        ("google/umt5-small", "umt5"),
        ("Salesforce/codet5-base", "t5"),
        ("uclanlp/plbart-python-en_XX", "plbart", 'source="python", target="en_XX"'),
        ("RUCAIBox/mvp", "mvp"),
        ("facebook/blenderbot-400M-distill", "blenderbot"),
        ("facebook/blenderbot_small-90M", "blenderbot-small"),
    ),
    CAPTIONING: (
        ("Salesforce/blip-image-captioning-base", "blip", "", "bsd-3-clause"),
        ("nlpconnect/vit-gpt2-image-captioning", "vision-encoder-decoder", "", "apache-2.0"),
        ("microsoft/trocr-base-handwritten", "vision-encoder-decoder", "", "mit", "1.33 GB"),
        ("microsoft/trocr-base-printed", "vision-encoder-decoder"),
        ("microsoft/git-base-coco", "git"),
        ("naver-clova-ix/donut-base-finetuned-cord-v2", "vision-encoder-decoder"),
        ("google/pix2struct-textcaps-base", "pix2struct"),
        ("google/deplot", "pix2struct"),
        ("google/matcha-chartqa", "pix2struct"),
    ),
    TRANSCRIPTION: (
        ("openai/whisper-base", "whisper", "", "apache-2.0", "290 MB", "99"),
        ("openai/whisper-tiny", "whisper"),
        ("openai/whisper-small", "whisper"),
        ("facebook/s2t-small-librispeech-asr", "speech_to_text"),
    ),
}
POPULAR = tuple(
    Popular(repo_id, task.name, *more)
    for task, entries in _NAMED.items()
    for repo_id, *more in entries
)


def list_popular(task: str | None = None) -> tuple[Popular, ...]:
    """Returns the list, or the part of it that is of one task.

    Raises:
        CheckpointError: for a task that none is of.
    """
    tasks = dict.fromkeys(entry.task for entry in POPULAR)
    if task is not None and task not in tasks:
        raise CheckpointError(unknown_name(tasks, task, "task"))
    return tuple(entry for entry in POPULAR if task in (None, entry.task))

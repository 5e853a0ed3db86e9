"""Answers that a memory keeps from one run to the next."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from s2s_zoo.generation.options import SAMPLE
from s2s_zoo.pipeline.fingerprint import fingerprint
from s2s_zoo.pipeline.memory import Memory, Remembered
from s2s_zoo.pipeline.result import Result
from s2s_zoo.protocol.errors import S2SZooError
from s2s_zoo.protocol.types import StrPath
from s2s_zoo.protocol.version import __version__

if TYPE_CHECKING:
    from s2s_zoo.generation.searcher import Search
    from s2s_zoo.pipeline.carrying import Hypotheses
    from s2s_zoo.pipeline.pipeline import Pipeline
    from s2s_zoo.pipeline.reading import Reading

CHUNK = 1024  # sentences after which what was found is kept, should the process be killed


class Remembering:
    """Asks a memory first, and a model for what it does not know.

    Args:
        path: str or path of the memory.
        key: str, all that an answer depends on but its sentence.
        source: the language of a sentence, or None where nobody knows.
        target: str, that of the answers, or None.
    """

    def __init__(
        self, path: StrPath, key: str, source: Callable[[str], str | None], target: str | None
    ) -> None:
        self.path = path
        self.key = key
        self.source = source
        self.target = target

    def answers(
        self, sentences: Sequence[str], answer: Callable[[list[str]], Sequence[Hypotheses]]
    ) -> list[Hypotheses]:
        """The hypotheses for each sentence, the best first.

        Args:
            sentences: list of str.
            answer: from a list of sentences to the hypotheses for each.

        Raises:
            DataError: for a file that is no memory of the user's own, see `Memory`.
        """
        of_languages: dict[str | None, list[str]] = {}
        for sentence in dict.fromkeys(sentences):
            of_languages.setdefault(self.source(sentence), []).append(sentence)
        found: dict[str, Hypotheses] = {}
        for source, of_one in of_languages.items():
            found |= self._answers(of_one, source, answer)
        return [found[sentence] for sentence in sentences]

    def _answers(
        self,
        sentences: Sequence[str],
        source: str | None,
        answer: Callable[[list[str]], Sequence[Hypotheses]],
    ) -> dict[str, Hypotheses]:
        """The hypotheses for each of different sentences of one language."""
        key = f"{self.key} {source}"
        with Memory(self.path, key, (source, self.target)) as memory:
            found: dict[str, Hypotheses] = {
                sentence: [_result(one) for one in kept]
                for sentence, kept in memory.lookup(sentences).items()
            }
            new = [sentence for sentence in sentences if sentence not in found]
            for start in range(0, len(new), CHUNK):
                part = new[start : start + CHUNK]
                answered = dict(zip(part, answer(part), strict=True))
                memory.store(answered)
                found |= answered
        return found


def _result(kept: Remembered) -> Result:
    return Result(**kept._asdict())


def take_memory(
    pipeline: Pipeline,
    path: StrPath,
    search: Search,
    reading: Reading | None,
    return_alignment: bool,
    said: dict[str, Any],
) -> Remembering:
    """The memory of a call.

    Args:
        pipeline: a Pipeline.
        path: str or path of the memory.
        search: the `Search` of the call.
        reading: its `Reading`, or None.
        return_alignment: bool, whether the call asks for alignments.
        said: dict, what else of the call its answers depend on: the "languages" that it names, or
            None for the checkpoint's own, and more.

    Raises:
        S2SZooError: for images, a search that draws its answers, and alignments, which are not
            kept.
    """
    if return_alignment:
        raise S2SZooError(
            "A memory keeps texts and scores. Received: memory with return_alignment=True. Leave "
            "one of them out."
        )
    if pipeline.processor.reads != "text" or search.strategy == SAMPLE:
        raise S2SZooError(
            "A memory keeps answers to texts that are the same every time. Received: task="
            f"{pipeline.task!r}, strategy={search.strategy!r}. Leave memory out."
        )
    how = {} if reading is None else dataclasses.asdict(reading)
    how.pop("split", None)  # what was parted is looked up by its parts
    prefix = None if search.prefix is None else [int(token) for token in search.prefix]
    settings = {
        "pipeline": fingerprint(pipeline),
        "version": __version__,
        "search": search._replace(prefix=prefix),
        "reading": how,
        **said,
    }
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    if reading is not None:
        return Remembering(path, key, reading.source, reading.target)
    source, target = said["languages"]
    if len(pipeline.languages) == 2:
        source, target = source or pipeline.languages[0], target or pipeline.languages[1]
    return Remembering(path, key, lambda sentence: source, target)

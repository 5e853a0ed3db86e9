"""`s2s-zoo translate --from auto`: each text to the checkpoint of the language that it is in."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from s2s_zoo.checkpoints.catalog import PACKAGE, list_checkpoints
from s2s_zoo.data.text.detection import KNOWN, code_of, detect
from s2s_zoo.data.text.normal import shortened
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.tasks import TRANSLATION
from s2s_zoo.protocol.types import Config

if TYPE_CHECKING:
    from s2s_zoo.pipeline.pipeline import Pipeline

AUTO = "auto"
SURE = 0.2  # above it the language among German, English and French is right in .99 of short texts
FAR_MORE = 10  # times as probable
POSSIBLE = 0.01  # below it are texts in another language than those, and nonsense


def checkpoints_to(target: str) -> dict[str, str]:
    """{source language: the checkpoint that translates from it}, a name or where it is.

    Raises:
        CheckpointError: where there is none.
    """
    entries = list_checkpoints(TRANSLATION.name)
    found: dict[str, str] = {}
    for name, entry in entries.items():
        source, *_, to = entry["languages"]
        if to == target and code_of(source) in KNOWN:
            found.setdefault(source, name)
    if not found:
        targets = ", ".join(sorted({entry["languages"][-1] for entry in entries.values()}))
        raise CheckpointError(
            f"No checkpoint translates to {target}. Known for --to: {targets}. Or give --model "
            "with a name or a directory."
        )
    places = {name: place_of(entries[name]) for name in found.values()}
    shared = {place for place, count in Counter(places.values()).items() if place and count > 1}
    return {
        language: places[name] if places[name] in shared else name
        for language, name in found.items()
    }


def place_of(entry: Config) -> str:
    """Where a checkpoint is that several names may mean: there it reads what all of them read."""
    if "path" in entry:
        return str(PACKAGE / entry["path"])
    return f"hf://{entry['repo_id']}@{entry['revision']}" if "repo_id" in entry else ""


class Detecting:
    """Translates texts of several languages into one, called as a pipeline is.

    Args:
        names: {source language: its checkpoint}, at least one.
        target: str, the language of the translations; texts in it are given as they are.
        opened: from a checkpoint to its pipeline; called when there is a text for it.
    """

    def __init__(
        self, names: Mapping[str, str], target: str, opened: Callable[[str], Pipeline]
    ) -> None:
        self.names = names
        self.target = target
        self.opened = cache(opened)
        self._codes = {code_of(language): language for language in [*names, target]}
        self._among = KNOWN.intersection(self._codes)
        self._last: str | None = None
        self._source: str | None = None
        self._seeds: dict[str, Any] = {}

    def __call__(self, texts: Sequence[str], progress: bool = False, **options: Any) -> list[str]:
        """Returns a translation for each text.

        A seed begins the random sequence of every pipeline, also of one that is opened later.
        """
        if "seed" in options:
            self._seeds = dict.fromkeys(self.names.values(), options.pop("seed"))
        done = list(texts)
        chosen = [self.names.get(language) for language in self.languages(texts)]
        for name in dict.fromkeys(chosen):
            places = [i for i, other in enumerate(chosen) if other == name]
            of_one = [texts[i] for i in places]
            if name is None:
                _warn(of_one, self.target)
                continue
            seed = {"seed": self._seeds.pop(name)} if name in self._seeds else {}
            translated = self.opened(name)(of_one, progress=progress, **options, **seed)
            for i, line in zip(places, translated, strict=True):
                done[i] = line
        return done

    def pipeline_of(self, text: str) -> Pipeline:
        """The pipeline for the language of a text, any for one in that of the translations."""
        [language] = self.languages([text])
        return self.opened(self.names.get(language) or next(iter(self.names.values())))

    def languages(self, texts: Sequence[str]) -> list[str]:
        """The language of each text.

        One of which that is not sure, such as a name, is in that of the text before it, or else of
        the first one of which it is, unless its own words speak far more for another. What may be
        in none of the languages is for a pipeline to judge, and not in that of the translations.
        """
        found = [detect(text, self._among) for text in texts]
        target = code_of(self.target)
        sources = [code for code in self._codes if code != target]
        sure = [one.language for one in found if one.language and one.certainty >= SURE]
        guesses = [one.language for one in found if one.language in sources]
        self._last = self._last or next(code for code in [*sure, *guesses, *sources] if code)
        self._source = self._last if self._last in sources else self._source or sources[0]
        languages = []
        for text, one in zip(texts, found, strict=True):
            best = one.language or self._last
            if one.certainty >= SURE:
                self._last = best
                self._source = best if best != target else self._source
            elif detect(text, [self._last]).certainty * FAR_MORE >= one.certainty:
                best = self._last
            if best == target and one.language and one.certainty < POSSIBLE:
                written = detect(text, [self._source]).language  # None in letters of another script
                best = written or detect(text, sources).language or self._source
            languages.append(self._codes[best])
        return languages


def _warn(texts: Sequence[str], language: str) -> None:
    more = f" (and {len(texts) - 1} more)" if len(texts) > 1 else ""
    warnings.warn(
        f"A text is in {language} and given as it is: {shortened(texts[0])}{more}.", stacklevel=2
    )

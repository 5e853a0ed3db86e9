"""Translation through a language in between: what one pipeline writes, the next one reads."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from s2s_zoo.data.text.detection import code_of
from s2s_zoo.generation.options import OPTIONS, SAMPLE
from s2s_zoo.pipeline.pipeline import Pipeline, Several
from s2s_zoo.pipeline.result import Result
from s2s_zoo.protocol.tasks import TASKS, TRANSLATION

if TYPE_CHECKING:
    from s2s_zoo.generation.searcher import Search

# Which texts to give is for the last pipeline to say; how to search, for each of them.
OF_THE_LAST = {
    *("num_return", "max_length", "min_length", "forced_prefix", "score_forced"),
    *("suppress_tokens", "seed"),
    *(name for name, option in OPTIONS.items() if option.strategies == (SAMPLE,)),
}


class Pivot:
    """Pipelines of translation one after the other, called like one.

    `from_pretrained(["translation-de-en", "translation-en-fr"])` makes one. Everything is read and
    put together by each of them as by itself; what was lost in between stays lost, so a pipeline
    that translates directly is better where there is one.

    Args:
        legs: list of two `Pipeline` or more, each of which writes the language that the next reads.

    Attributes:
        legs: tuple of the pipelines.
        languages: list of str, those that the first reads, and the one that the last writes.
        task: "translation".

    Raises:
        ValueError: for fewer than two, another task, or languages that do not follow on.
    """

    task = TRANSLATION.name

    def __init__(self, legs: Sequence[Pipeline]) -> None:
        self.legs = tuple(legs)
        if len(self.legs) < 2:
            raise ValueError(
                f"Pivot expected two pipelines or more. Received: {len(self.legs)}. One alone "
                "translates by itself."
            )
        for number, leg in enumerate(self.legs, 1):
            _check_translates(leg, number)
        for number, (leg, following) in enumerate(itertools.pairwise(self.legs), 1):
            written, read = leg.languages[-1], following.languages[:-1]
            if not _same(written, read):
                received = f"pipeline {number} to {written}, pipeline {number + 1} from"
                raise ValueError(
                    "Pivot expected each pipeline to read what the one before it writes. Received: "
                    f"{received} {', '.join(read)}. Put them in order, or, where both codes are of "
                    "one language, set `languages` of one of them, a list of codes."
                )
        self.languages = [*self.legs[0].languages[:-1], self.legs[-1].languages[-1]]

    def __repr__(self) -> str:
        return f"Pivot({self.task}, languages: {self._way.replace(' to ', ' → ')})"

    @overload
    def __call__(self, sources: Several, *args: Any, **options: Any) -> list[Any]: ...

    @overload
    def __call__(self, sources: Iterator[Any], *args: Any, **options: Any) -> Iterator[Any]: ...

    @overload
    def __call__(self, sources: Any, *args: Any, **options: Any) -> Any: ...

    def __call__(
        self,
        sources: Any,
        batch_size: int = 64,
        return_scores: bool = False,
        progress: bool | None = None,
        **options: Any,
    ) -> Any:
        """Translates text.

        Args:
            sources: str, a list, or any other iterable, which may be endless.
            batch_size, progress: as in a call of a `Pipeline`.
            return_scores: bool, give a `Result`: its score, tokens and segments are those of the
                last pipeline, which read what the one before it wrote; its warning joins those of
                all.
            **options: those of a call of a `Pipeline`. The first alone has `source`; the last alone
                `num_return`, `max_length`, `min_length`, `forced_prefix`, `suppress_tokens` and
                the options of sampling: in between there is the best text, and it is whole. A word
                of `terms` becomes what you say in the first, and is kept in the others.

        Returns:
            As of a `Pipeline`. With `num_return` > 1 the best translations of the one text that
            was the best in between.

        Raises:
            ValueError: as a call of each pipeline does; for alignments, which end in between, and
                for languages, which the pipelines have.
        """
        options = self._checked(options)
        last = self._of_following(len(self.legs) - 1, options)
        self.legs[-1]([], **{name: last[name] for name in last if name != "memory"})  # checks them
        common = {"batch_size": batch_size, "progress": progress, "return_scores": return_scores}
        before = self._before(options)
        trail: list[Iterable[Result]] = []
        several, single = self.legs[0].processor.collect(sources)
        listed = hasattr(several, "__len__")
        for leg, said in zip(self.legs[:-1], before, strict=True):
            found = leg(list(several) if listed else iter(several), **common, **said)
            if not return_scores:
                several = found
            elif listed:
                trail.append(found)
                several = [result.text for result in found]
            else:
                found, results = itertools.tee(found)
                trail.append(results)
                several = (result.text for result in found)
        answers = self.legs[-1](several, **common, **last)
        if return_scores:
            joined = (_with_warnings(*each) for each in zip(answers, *trail, strict=True))
            answers = list(joined) if listed else joined
        return answers[0] if single else answers

    def stream(self, text: str, **options: Any) -> Iterator[Result]:
        """Gives what there is after every token of the last translation: see `Pipeline.stream`.

        Raises:
            ValueError: as `Pipeline.stream` does.
        """
        options = self._checked(options)
        _, single = self.legs[0].processor.collect(text)
        if not single:
            raise ValueError(f"stream expected one source. Received: {type(text).__name__}.")
        for leg, said in zip(self.legs[:-1], self._before(options), strict=True):
            text = leg(text, **said)
        return self.legs[-1].stream(text, **self._of_following(len(self.legs) - 1, options))

    def plan(self, options: dict[str, Any], return_scores: bool = False) -> Search:
        """Says how the last pipeline searches in a call, and checks the others.

        Raises:
            ValueError: as `Pipeline.plan` does.
        """
        options = self._checked(options)
        for leg, said in zip(self.legs[:-1], self._before(options), strict=True):
            leg.plan({name: said[name] for name in said if name != "source"}, return_scores)
        return self.legs[-1].plan(options, return_scores)

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            if name not in _OF_ONE:
                raise AttributeError(f"Pivot has no attribute {name!r}.")
            raise AttributeError(
                f"A Pivot ({self._way}) has no {name}: it is several pipelines one after the "
                f"other. Take one of them, such as pivot.legs[0].{name}; each is trained, scored "
                "and saved by itself."
            )

    @property
    def _way(self) -> str:
        first = " or ".join(self.legs[0].languages[:-1])
        return " to ".join([first, *(leg.languages[-1] for leg in self.legs)])

    def _checked(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options but for those that no Pivot has, which are refused where they ask for it."""
        rest = dict(options)
        if rest.pop("return_alignment", False):
            raise ValueError(
                "A Pivot has no alignment of its first language with its last. Ask its pipelines: "
                "pivot.legs[0](text, return_alignment=True)."
            )
        if (target := rest.pop("target", None)) not in (None, self.languages[-1]):
            raise ValueError(
                f"This Pivot translates {self._way}. Received: target={target!r}. Leave it out, "
                "and choose the languages of its pipelines when they are loaded."
            )
        return rest

    def _before(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        """The options of each pipeline but the last."""
        said = {name: value for name, value in options.items() if name not in OF_THE_LAST}
        if said.get("strategy") == SAMPLE:
            del said["strategy"]
        found = []
        for place, leg in enumerate(self.legs[:-1]):
            said = said if place == 0 else self._of_following(place, said)
            one = {} if leg.generation.get("num_return", 1) == 1 else {"num_return": 1}
            found.append({**said, **one})
        return found

    def _of_following(self, place: int, options: dict[str, Any]) -> dict[str, Any]:
        """The options of a pipeline that reads what another one wrote."""
        options = {**_with_terms_kept(options), "source": None}
        read = self.legs[place].languages[:-1]
        if len(read) > 1:
            options["source"] = _same(self.legs[place - 1].languages[-1], read)
        return options


_OF_ONE = {name for name in dir(Pipeline) if not name.startswith("_")} | {
    *("model", "processor", "generation", "searcher", "scorer")
}


def _check_translates(leg: Pipeline, number: int) -> None:
    if not isinstance(leg, Pipeline):
        raise ValueError(
            f"Pivot expected Pipelines. Received: {leg!r:.80}. Names are for from_pretrained([…])."
        )
    if TASKS[leg.task].command != TRANSLATION.command:
        raise ValueError(
            f"Pivot expected pipelines of translation. Received: pipeline {number} of {leg.task}."
        )
    if len(leg.languages) < 2:
        raise ValueError(
            f"Pivot expected the languages of pipeline {number}. Received: {leg.languages}. Give "
            'source=… and target=… to its from_pretrained, or set its `languages`: ["de", "en"].'
        )


def _same(code: str, others: Sequence[str]) -> str | None:
    """The one of several codes that is of the same language, whatever its region or script."""
    return next((other for other in others if code_of(other) == code_of(code)), None)


def _with_terms_kept(options: dict[str, Any]) -> dict[str, Any]:
    """The options of a pipeline whose texts have the user's translations of terms already."""
    terms, keep = options.get("terms"), options.get("keep") or ()
    if not isinstance(terms, Mapping) or isinstance(keep, str):
        return options
    rest = {name: value for name, value in options.items() if name != "terms"}
    return {**rest, "keep": [*keep, *terms.values()]}


def _with_warnings(answer: Any, *before: Result) -> Any:
    """The answer to a source, or its hypotheses, with the warnings of the way there."""
    told = [result.warning for result in before if result.warning]
    if not told:
        return answer
    if isinstance(answer, list):
        return [_with_warnings(one, *before) for one in answer]
    return answer._replace(warning=" ".join([*told, *filter(None, [answer.warning])]))

"""A task from end to end: raw text or images in, text out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

from s2s_zoo.data.targets import require_text
from s2s_zoo.generation import Scorer
from s2s_zoo.generation.options import PIPELINE_DEFAULTS, check_names
from s2s_zoo.generation.searcher import Search, Searcher
from s2s_zoo.pipeline import describing, saving
from s2s_zoo.pipeline.calling import Asked, answered, streamed
from s2s_zoo.pipeline.engines import Engine, check_trains, engine_of
from s2s_zoo.pipeline.fitting import compile_model
from s2s_zoo.pipeline.result import Result
from s2s_zoo.pipeline.scoring import score_targets
from s2s_zoo.pipeline.shortlisting import shortlist_of
from s2s_zoo.pipeline.transcribing import Transcriber
from s2s_zoo.protocol.forked import use
from s2s_zoo.protocol.registry import lookup
from s2s_zoo.protocol.tasks import TASKS
from s2s_zoo.protocol.types import Config, StrPath

if TYPE_CHECKING:
    import numpy as np

    from s2s_zoo.generation.shortlist import Shortlist
    from s2s_zoo.model.ensemble import Ensemble
    from s2s_zoo.model.seq2seq import Seq2Seq

Several: TypeAlias = list[Any] | tuple[Any, ...]
WeightsDtype: TypeAlias = Literal["float32", "float16", "bfloat16", "int8"]


class Pipeline:
    """A processor, a model and the defaults of the search, for use and for training.

    A copy, of `copy`, `pickle` or `joblib`, answers as the pipeline does; that of `copy.copy` has
    the same model.

    Args:
        task: str, of the table `TASKS`.
        model: a built `Seq2Seq`.
        processor: a `TextProcessor` with the vocabulary of the model, or an `ImageProcessor`.
        generation: dict, defaults for the options of a call: those of `greedy_search`,
            `beam_search`, `sample` and `Rules`, see `s2s_zoo.generation.options`. Where nothing
            else is said the search is greedy and the unknown token is never generated. `doubt` is
            the least `score_per_token` of an answer that is trusted: see docs/documents.md.
        languages: list of str, the codes of the language that is read, or of several, and of the
            one that is written.
        shortlist: a `Shortlist` of the model, or None; see `build_shortlist`.
        engine: an `Engine`, what searches in place of Keras, or None; see `from_pretrained`. It has
            the weights that the model has now, so such a pipeline does not train.

    Raises:
        ValueError: for an unknown task or option, a task of other sources, a vocabulary of another
            size than the model's, a shortlist that does not fit the model, or a model that the
            engine cannot hold.

    Attributes:
        origin: str, what `from_pretrained` loaded it from, or None.
    """

    origin: str | None = None

    def __init__(
        self,
        task: str,
        model: Seq2Seq | Ensemble,
        processor: Any,
        generation: Config | None = None,
        languages: Iterable[str] = (),
        shortlist: Shortlist | None = None,
        engine: Engine | None = None,
    ) -> None:
        use()
        known = lookup(TASKS, task, "task")
        if processor.reads != known.reads:
            raise ValueError(
                f"Pipeline expected a processor for {task} that reads {known.reads}. Received: one "
                f"that reads {processor.reads}. Choose a task of what the model reads."
            )
        processor.check_model(model)
        self.task = task
        self.model = model
        self.processor = processor
        given = dict(generation or {})
        self.doubt = given.pop("doubt", None)
        self.generation = {**PIPELINE_DEFAULTS, **given}
        self.languages = list(languages)
        check_names(self.generation)
        if shortlist is not None:
            shortlist.check_model(model)
        longest = processor.max_target_length
        self.engine = engine
        self.searcher = Searcher(model, known.longest_target, longest, shortlist)
        self.scorer: Any = Scorer(model)
        if engine is not None:
            found = engine_of(engine, self.searcher, processor, self.generation)
            self.searcher, self.scorer, self.generation = found
        speaks = hasattr(processor, "prompt")  # a Whisper goes through recordings in its own way
        self.transcriber = Transcriber(model, processor) if speaks else None

    def __reduce__(self):
        parts = self.task, self.model, self.processor, self.settings, self.languages, self.shortlist
        return type(self), (*parts, self.engine), {"origin": self.origin}

    def __repr__(self) -> str:
        return describing.as_line(self)

    def _repr_html_(self):
        return describing.as_html(self)

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
        return_alignment: bool = False,
        replace_unknown: bool = False,
        progress: bool | None = None,
        source: str | None = None,
        target: str | None = None,
        memory: StrPath | None = None,
        **options: Any,
    ) -> Any:
        """Generates text.

        The answer to a source depends on the other sources of the call only with
        `strategy="sample"`. Texts of similar length are run together.

        Args:
            sources: str; or a list; or any other iterable, which may be endless. Of images one is
                what `read_image` takes, several are a list, an iterator, or a folder, whose
                images are taken in the order of their names; and so of recordings, of which one
                is what `Recording` takes.
            batch_size: int, sources run at once.
            return_scores: bool, give a `Result` with a score.
            return_alignment: bool, give a `Result` with an alignment, and of a pointer with
                what it copied.
            replace_unknown: bool, let the model write the unknown token, and put the source unit
                that it looked at most in its place.
            progress: bool, show a bar on standard error; None shows it on a terminal when the
                work takes long.
            source, target: str, language codes, for a checkpoint of several languages.
            memory: str or path of a translation memory, made where there is none: a sentence that
                this checkpoint, as it is now, was asked with these options before is not searched
                again. A `Result` of it has text, score and warning alone. See docs/documents.md.
            **options: `strategy` ("greedy", "beam", "sample"; "beam" where num_beams > 1),
                `max_length` (a limit for every text, instead of one by the length of its
                source), `forced_prefix` (str, how every answer begins), `seed` (for "sample"),
                `shortlist` (bool, search among the candidates of `build_shortlist` alone; scores
                are then log-probabilities among these), and those of the strategy and of `Rules`.
                The rest is as in `self.generation`. For translation also those of `Reading`, how
                texts are read: `split`, `protect`, `keep`, `terms`, `notation`, `markdown`,
                `detect`, `doubt`. For a Whisper those of `Request`: `language`, `task`,
                `return_timestamps` (then the answer is a `Transcript`), `temperature`,
                `initial_prompt`, `hot_words`, …
                For summarization those of `Summarizing`: `length` ("line", "short", "paragraph"
                or a number of sentences), `bullets`, `format`, `split`, `faithful`, `detect`.
                For question answering `context`, the text that the questions are about, or a list
                with one for each, and `template`, see `pipeline.questions`.

        Returns:
            A str for one source, a list for a list or a folder, a generator for an iterator,
            always in order. With `num_return` > 1 there is a list of the best answers in place of
            each: fewer than that where the other options allow fewer different texts, but always
            one. A blank text gives "" without asking the model. Of a text of several sentences a
            `Result` has theirs in its `segments`, and the k-th best has the k-th best of each.

        Raises:
            TypeError: for anything but text, or anything but images, or anything but recordings.
            DataError: for an image or a recording that cannot be read.
            RuntimeError: in a process that was forked after a model had been loaded.
            ValueError: for an unknown option or language, naming the nearest, a value outside
                its range, or `replace_unknown` of a model that cannot write the unknown token.
        """
        use()
        asked = Asked(return_scores, return_alignment, replace_unknown, source, target, memory)
        return answered(self, sources, asked, options, batch_size, progress)

    def stream(
        self,
        text: Any,
        return_alignment: bool = False,
        source: str | None = None,
        target: str | None = None,
        **options: Any,
    ) -> Iterator[Result]:
        """Generates from one source by greedy search, and gives what there is after every token.

        Args:
            text: str; or an image, as `read_image` takes it, or a recording, as `Recording` does.
            return_alignment, source, target: as in a call.
            **options: those of a call with `strategy="greedy"`.

        Returns:
            A generator of `Result`: each has one token more than the one before, and the last is
            that of a call with `num_beams=1, return_scores=True`. The text of one need not be
            the beginning of the next: a unit may change how the one before it is written. Of a
            Whisper, which takes all options of a call, a generator of `Segment`.

        Raises:
            TypeError, DataError, ValueError: as a call does; for several sources, and for options
                of another strategy.
        """
        use()
        return streamed(self, text, Asked(True, return_alignment, False, source, target), options)

    def plan(
        self,
        options: Config,
        return_scores: bool = False,
        return_alignment: bool = False,
        source: str | None = None,
        target: str | None = None,
    ) -> Search:
        """Says how a call with some options searches, without searching.

        Args:
            options: dict, the `**options` of a call.
            return_scores, return_alignment, source, target: as in a call.

        Returns:
            `Search`: its strategy, and its options joined with the defaults of the checkpoint.

        Raises:
            TypeError: for a `forced_prefix` that is no text.
            ValueError: for an unknown option or language, naming the nearest, an option of another
                strategy, or a shortlist where there is none.
        """
        if self.transcriber is not None:
            self.transcriber.refuse(return_alignment=return_alignment, source=source, target=target)
            return self.transcriber.plan(options, self.generation)
        prefix = options.get("forced_prefix", self.generation.get("forced_prefix"))
        if prefix is not None:
            require_text(prefix, "forced_prefix to be a str")
            ids = self.processor_for(source, target).encode_target([prefix])[0][:-1]
            options = {**options, "forced_prefix": ids if len(ids) else None}
        return self.searcher.plan(options, self.generation, return_scores, return_alignment)

    def processor_for(self, source: str | None = None, target: str | None = None) -> Any:
        """The processor for a pair of languages, those of the checkpoint where None.

        Raises:
            ValueError: for a language that the checkpoint does not have.
        """
        if source is None and target is None:
            return self.processor
        if hasattr(self.processor, "between"):
            return self.processor.between(source, target)
        sources, written = self.languages[:-1], self.languages[-1:]
        if source not in (None, *sources) or target not in (None, *written):
            raise ValueError(
                f"This checkpoint reads {', '.join(sources) or 'what it does not name'} and writes "
                f"{', '.join(written) or 'what it does not name'}. Received: source={source!r}, "
                f"target={target!r}. Leave them out."
            )
        return self.processor

    def score(
        self,
        sources: Sequence[Any],
        targets: Sequence[str],
        batch_size: int = 64,
        return_lengths: bool = False,
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Returns the log-probability the model gives to each target.

        Args:
            sources: list of str, or of images.
            targets: list of str, one for each source.
            batch_size: int.
            return_lengths: bool.

        Returns:
            (N,) float32, sums over the tokens with END: greedy search and sampling report the
            same for the same tokens, beam search after `generation.normalise`. With
            `return_lengths` also (N,) int32, the number of tokens with END.

        Raises:
            ValueError: for lists of different lengths.
        """
        use()
        found = score_targets(self.scorer, self.processor, sources, targets, batch_size)
        return found if return_lengths else found[0]

    def batches(self, pairs: Any, **options: Any) -> Any:
        """Returns training batches for `model.fit`: see `s2s_zoo.data.batches`."""
        check_trains(self.engine)
        from s2s_zoo.data import batches

        return batches(self.processor, pairs, **options)

    @property
    def settings(self) -> Config:
        """The defaults of a call, as a checkpoint keeps them: those of the search, and `doubt`."""
        return self.generation | ({} if self.doubt is None else {"doubt": self.doubt})

    @property
    def shortlist(self) -> Shortlist | None:
        """The `Shortlist`, or None."""
        return self.searcher.shortlist

    def build_shortlist(self, pairs: Any, **options: Any) -> None:
        """Builds the shortlist that a call with `shortlist=True` searches in, and `save` keeps.

        Args:
            pairs: what `read_pairs` takes, best those of the training.
            **options: of `s2s_zoo.shortlist.build`.

        Raises:
            ValueError: for a model that does not read text, or whose output is more than a
                matrix: a pointer, an ensemble.
        """
        self.searcher.shortlist = shortlist_of(self.model, self.processor, pairs, **options)

    def save(
        self, directory: StrPath, weights_dtype: WeightsDtype = "float32", card: str | None = None
    ) -> None:
        """Writes a checkpoint directory that `from_pretrained` reads; see `save_checkpoint`.

        Args:
            directory: str or path: absent, empty, or a checkpoint to replace.
            weights_dtype: "float32" (exact), "float16" or "bfloat16" (half the size), or "int8"
                (a quarter: matrices in one byte a weight; they are read in the dtype of the model
                again).
            card: str, the model card; a short one is written where None.
        """
        saving.save(self, directory, weights_dtype, card)

    def push_to_hub(
        self,
        repo_id: str,
        weights_dtype: WeightsDtype = "float32",
        card: str | None = None,
        **options: Any,
    ) -> Any:
        """Saves, and uploads in one commit: see `save` and `s2s_zoo.checkpoints.publish.push`.

        Args:
            repo_id: str, "organization/name".
            **options: `private`, `revision`, `create_pr`, `commit_message`, as `push` has them.

        Returns:
            The client's `CommitInfo`: `from_pretrained(f"hf://{repo_id}", revision=info.oid)`
            loads exactly this.
        """
        return saving.push_to_hub(self, repo_id, weights_dtype, card, **options)

    def compile(self) -> None:
        """Makes the model ready for `fit`: Adam, clipped gradients, smoothed cross-entropy."""
        check_trains(self.engine)
        compile_model(self.model)

"""A task from end to end: raw text or images in, text out."""

import itertools
import tempfile
from pathlib import Path

import numpy as np

from s2s_zoo.checkpoints.card import model_card
from s2s_zoo.checkpoints.directory import save_checkpoint
from s2s_zoo.data.targets import require_text
from s2s_zoo.generation import Scorer
from s2s_zoo.generation.options import PIPELINE_DEFAULTS, check_names
from s2s_zoo.generation.searcher import Searcher, pad
from s2s_zoo.pipeline.result import Result
from s2s_zoo.pipeline.unknown_words import allow_unknown, replace_unknown
from s2s_zoo.protocol import PAD
from s2s_zoo.protocol.registry import lookup
from s2s_zoo.protocol.tasks import TASKS
from s2s_zoo.training.optimizers import Adam

WINDOW = 1024  # texts of an iterator that are sorted together


class Pipeline:
    """A processor, a model and the defaults of the search, for use and for training.

    Args:
        task: str, of the table `TASKS`.
        model: a built `Seq2Seq`.
        processor: a `TextProcessor` with the vocabulary of the model, or an `ImageProcessor`.
        generation: dict, defaults for the options of a call: those of `greedy_search`,
            `beam_search`, `sample` and `Rules`, see `s2s_zoo.generation.options`. Where nothing
            else is said the search is greedy and the unknown token is never generated.
        languages: list of str, the codes of source and target.
        shortlist: a `Shortlist` of the model, or None; see `build_shortlist`.

    Raises:
        ValueError: for an unknown task or option, a task of other sources, a vocabulary of another
            size than the model's, or a shortlist that does not fit the model.
    """

    def __init__(self, task, model, processor, generation=None, languages=(), shortlist=None):
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
        self.generation = {**PIPELINE_DEFAULTS, **(generation or {})}
        self.languages = list(languages)
        check_names(self.generation)
        if shortlist is not None:
            shortlist.check_model(model)
        longest = processor.max_target_length
        self._searcher = Searcher(model, known.longest_target, longest, shortlist)
        self.scorer = Scorer(model)

    def __call__(
        self,
        sources,
        batch_size=64,
        return_scores=False,
        return_alignment=False,
        replace_unknown=False,
        progress=None,
        source=None,
        target=None,
        **options,
    ):
        """Generates text.

        The answer to a source depends on the other sources of the call only with
        `strategy="sample"`. Texts of similar length are run together.

        Args:
            sources: str; or a list; or any other iterable, which may be endless. Of images one is
                what `read_image` takes, several are a list, an iterator, or a folder, whose
                images are taken in the order of their names.
            batch_size: int, sources run at once.
            return_scores: bool, give a `Result` with a score.
            return_alignment: bool, give a `Result` with an alignment, and of a pointer with
                what it copied.
            replace_unknown: bool, let the model write the unknown token, and put the source unit
                that it looked at most in its place.
            progress: bool, show a bar on standard error; None shows it on a terminal when the
                work takes long.
            source, target: str, language codes, for a checkpoint of several languages.
            **options: `strategy` ("greedy", "beam", "sample"; "beam" where num_beams > 1),
                `max_length` (a limit for every text, instead of one by the length of its
                source), `forced_prefix` (str, how every answer begins), `seed` (for "sample"),
                `shortlist` (bool, search among the candidates of `build_shortlist` alone; scores
                are then log-probabilities among these), and those of the strategy and of `Rules`.
                The rest is as in `self.generation`.

        Returns:
            A str for one source, a list for a list or a folder, a generator for an iterator,
            always in order. With `num_return` > 1 there is a list of the best answers in place of
            each. A blank text gives "" without asking the model.

        Raises:
            TypeError: for anything but text, or anything but images.
            DataError: for an image that cannot be read.
            ValueError: for an unknown option or language, naming the nearest, a value outside
                its range, or `replace_unknown` of a model that cannot write the unknown token.
        """
        processor = self._processor_of(source, target)
        if replace_unknown:
            options = allow_unknown(processor, options, self.generation)
        aligned = return_alignment or replace_unknown
        search = self._search(return_scores, aligned, options, processor)
        details = return_scores or return_alignment

        def answer(window, bar):
            return self._answer(
                window, search, processor, batch_size, details, replace_unknown, bar
            )

        sources, single = processor.collect(sources)
        if not hasattr(sources, "__len__"):
            return self._stream(sources, answer, progress)
        sources = list(sources)
        window = processor.window or max(1, len(sources))
        with _progress_bar(len(sources), progress) as bar:
            starts = range(0, len(sources), window)
            answers = [x for i in starts for x in answer(sources[i : i + window], bar)]
        return answers[0] if single else answers

    def stream(self, text, return_alignment=False, source=None, target=None, **options):
        """Generates from one source by greedy search, and gives what there is after every token.

        Args:
            text: str; or an image, as `read_image` takes it.
            return_alignment, source, target: as in a call.
            **options: those of a call with `strategy="greedy"`.

        Returns:
            A generator of `Result`: each has one token more than the one before, and the last is
            that of a call with `num_beams=1, return_scores=True`. The text of one need not be
            the beginning of the next: a unit may change how the one before it is written.

        Raises:
            TypeError, DataError, ValueError: as a call does; for several sources, and for options
                of another strategy.
        """
        if options.setdefault("strategy", "greedy") != "greedy":
            raise ValueError(
                "stream takes the most probable token at every step. Received: "
                f"strategy={options['strategy']!r}. Leave it out, or call the pipeline itself."
            )
        processor = self._processor_of(source, target)
        search = self._search(True, return_alignment, options, processor)
        sources, single = processor.collect(text)
        if not single:
            raise ValueError(f"stream expected one source. Received: {type(text).__name__}.")
        blank = processor.is_blank(sources[0])
        [row] = processor.encode_source(sources)
        return self._steps(sources[0], [] if blank else row, search)

    def _steps(self, source, row, search):
        """The results of `stream`; a blank text has one, "", as in a call."""
        if len(row) < 2:
            yield Result("")
            return
        for found in self._searcher.stream(search, row):
            [[text]] = self.processor.decode(found.tokens, [source])
            yield self._result(text, source, row, found, (0, 0))

    def score(self, sources, targets, batch_size=64, return_lengths=False):
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
        if len(sources) != len(targets):
            raise ValueError(
                "score expected one target for each source. "
                f"Received: {len(sources)} sources, {len(targets)} targets."
            )
        texts, _ = self.processor.collect(list(sources))
        for text in targets:
            require_text(text)
        sources = self.processor.encode_source(texts)
        targets = self.processor.encode_target(targets, sources=texts)
        log_probs, lengths = np.zeros(len(sources), "float32"), np.zeros(len(sources), "int32")
        size = [(len(source), len(target)) for source, target in zip(sources, targets, strict=True)]
        for batch in _batches(sorted(range(len(size)), key=size.__getitem__), batch_size):
            found = self.scorer.score(
                pad([sources[i] for i in batch]), pad([targets[i] for i in batch])
            )
            log_probs[batch], lengths[batch] = (values[: len(batch)] for values in found)
        return (log_probs, lengths) if return_lengths else log_probs

    def batches(self, pairs, **options):
        """Returns training batches for `model.fit`: see `s2s_zoo.data.batches`."""
        from s2s_zoo.data import batches

        return batches(self.processor, pairs, **options)

    @property
    def shortlist(self):
        """The `Shortlist`, or None."""
        return self._searcher.shortlist

    def build_shortlist(self, pairs, **options):
        """Builds the shortlist that a call with `shortlist=True` searches in, and `save` keeps.

        Args:
            pairs: what `read_pairs` takes, best those of the training.
            **options: of `s2s_zoo.shortlist.build`.

        Raises:
            ValueError: for a model that does not read text, or whose output is more than a
                matrix: a pointer, an ensemble.
        """
        from s2s_zoo.data import read_pairs
        from s2s_zoo.generation.shortlist import build, check_narrow

        check_narrow(self.model)
        sources, targets = map(list, zip(*read_pairs(pairs), strict=True))
        self._searcher.shortlist = build(
            self.processor.encode_source(sources),
            self.processor.encode_target(targets),
            self.model.encoder.vocabulary_size,
            self.model.decoder.vocabulary_size,
            **options,
        )

    def save(self, directory, weights_dtype="float32", card=None):
        """Writes a checkpoint directory that `from_pretrained` reads; see `save_checkpoint`.

        Args:
            directory: str or path: absent, empty, or a checkpoint to replace.
            weights_dtype: "float32" (exact), "float16" or "bfloat16" (half the size), or "int8"
                (a quarter: matrices in one byte a weight; they are read in the dtype of the model
                again).
            card: str, the model card; a short one is written where None.
        """
        save_checkpoint(
            directory,
            self.task,
            self.model,
            self.processor,
            self.generation,
            self.languages,
            card=self._card("the path of this directory") if card is None else card,
            weights_dtype=weights_dtype,
            shortlist=self.shortlist,
        )

    def push_to_hub(self, repo_id, weights_dtype="float32", card=None, **options):
        """Saves, and uploads in one commit: see `save` and `s2s_zoo.checkpoints.publish.push`.

        Args:
            repo_id: str, "organization/name".
            **options: `private`, `revision`, `create_pr`, `commit_message`, as `push` has them.

        Returns:
            The client's `CommitInfo`: `from_pretrained(f"hf://{repo_id}", revision=info.oid)`
            loads exactly this.
        """
        from s2s_zoo.checkpoints.publish import push

        with tempfile.TemporaryDirectory() as folder:
            directory = Path(folder) / "checkpoint"
            self.save(directory, weights_dtype, card or self._card(f"hf://{repo_id}"))
            return push(directory, repo_id, **options)

    def compile(self):
        """Makes the model ready for `fit`: Adam, clipped gradients, smoothed cross-entropy."""
        import keras

        from s2s_zoo.training.losses import SmoothedCrossEntropy

        self.model.compile(
            optimizer=Adam(global_clipnorm=1.0),
            loss=SmoothedCrossEntropy(label_smoothing=0.1),
            jit_compile=keras.backend.backend() == "jax",
        )

    def _processor_of(self, source, target):
        """The processor for a pair of languages, those of the checkpoint where None."""
        if source is None and target is None:
            return self.processor
        if not hasattr(self.processor, "between"):
            raise ValueError(
                f"This checkpoint knows one pair of languages, {' to '.join(self.languages)}. "
                f"Received: source={source!r}, target={target!r}. Leave them out."
            )
        return self.processor.between(source, target)

    def _search(self, return_scores, return_alignment, options, processor):
        prefix = options.get("forced_prefix", self.generation.get("forced_prefix"))
        if prefix is not None:
            require_text(prefix)
            ids = processor.encode_target([prefix])[0][:-1]
            options = {**options, "forced_prefix": ids if len(ids) else None}
        return self._searcher.plan(options, self.generation, return_scores, return_alignment)

    def _stream(self, texts, answer, progress):
        texts = iter(texts)
        size = self.processor.window or WINDOW
        with _progress_bar(None, progress) as bar:
            while window := list(itertools.islice(texts, size)):
                yield from answer(window, bar)

    def _answer(self, sources, search, processor, batch_size, details, replaces, bar):
        """The answers to a list of sources, in its order."""
        num_return = dict(search.options).get("num_return", 1)
        answers = [[Result("") if details else ""] * num_return for _ in sources]
        real = [i for i, source in enumerate(sources) if not processor.is_blank(source)]
        encoded = processor.encode_source([sources[i] for i in real])
        ids = {i: row for i, row in zip(real, encoded, strict=True) if len(row) > 1}
        for batch in _batches(sorted(ids, key=lambda i: len(ids[i])), batch_size):
            found = self._searcher.run(search, [ids[i] for i in batch])
            decoded = self.processor.decode(found.tokens, [sources[i] for i in batch])
            for row, i in enumerate(batch):
                if replaces:
                    decoded[row] = [
                        replace_unknown(processor, *hypothesis, sources[i])
                        for hypothesis in zip(
                            found.tokens[row], found.alignments[row], decoded[row], strict=True
                        )
                    ]
                answers[i] = decoded[row]
                if details:
                    answers[i] = [
                        self._result(text, sources[i], ids[i], found, (row, k))
                        for k, text in enumerate(decoded[row])
                    ]
        bar.update(len(sources))
        return answers if num_return > 1 else [hypotheses[0] for hypotheses in answers]

    def _result(self, text, source, row, found, place):
        tokens = found.tokens[place]
        tokens = tokens[tokens != PAD]
        alignment = found.alignments
        if alignment is not None:
            alignment = alignment[place][: len(tokens), : len(row)]
        return Result(
            text,
            None if found.scores is None else float(found.scores[place]),
            self.processor.source_pieces(row, source),
            self.processor.target_pieces(tokens, source),
            alignment,
            None if found.p_gen is None else found.p_gen[place][: len(tokens)],
        )

    def _card(self, source):
        """A model card for a checkpoint nobody has written one for."""
        entry = {
            "task": self.task,
            "languages": self.languages,
            "parameters": self.model.count_params(),
        }
        return model_card("-".join([self.task, *self.languages]), entry, source)


def _batches(order, batch_size):
    """Cuts a list of places into lists of at most `batch_size`."""
    if batch_size < 1:
        raise ValueError(
            f"Pipeline expected a batch_size of at least 1. Received: batch_size={batch_size}."
        )
    return (order[start : start + batch_size] for start in range(0, len(order), batch_size))


def _progress_bar(total, progress):
    from tqdm import tqdm

    disable = {None: None, True: False, False: True}[progress]
    return tqdm(total=total, disable=disable, delay=0 if progress else 2, unit=" sources")

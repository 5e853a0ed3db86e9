"""Callbacks for `fit`: metrics of generated text, the best checkpoint, and resuming."""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from s2s_zoo.protocol.errors import CheckpointError, TextWarning
from s2s_zoo.protocol.safetensors_file import parse_metadata, parse_tensors
from s2s_zoo.protocol.types import StrPath
from s2s_zoo.training import distribution
from s2s_zoo.training.averaged import averaged_weights
from s2s_zoo.training.metrics import LESS_IS_BETTER, corpus_score

if TYPE_CHECKING:
    from s2s_zoo.pipeline.pipeline import Pipeline


LONGEST_TOLD = 2000  # characters of a sample that a report shows


def _floats(values):
    return [float(value) for value in values]


def _sides(pipeline, pairs):
    """The sources and the targets of pairs, or of what they are read from."""
    pairs = list(pairs) if isinstance(pairs, Iterator) else pairs
    made = isinstance(pairs, list | tuple) and len(pairs) > 0
    if made and all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
        sources, targets = zip(*pairs, strict=True)
        return list(sources), list(targets)
    return pipeline.processor.read_held_out(pairs)


class GenerationMetrics(keras.callbacks.Callback):
    """Generates from held-out sources after each epoch and scores the texts.

    Adds the metrics, such as `val_bleu`, and `val_perplexity` to the logs, keeps the best
    checkpoint, and stops when nothing has improved for a while. Where the optimizer keeps a moving
    average (`use_ema=True`) the averaged weights are the ones scored and saved.

    Args:
        pipeline: the Pipeline whose model is trained.
        pairs: list of (source, target), where a target may be a list of several references: all
            of them count for the metrics, the first for the perplexity. Or what `read_pairs` takes.
        metrics: names of `s2s_zoo.metrics.METRICS`; the first decides what is best.
        directory: where to save the best checkpoint, or None.
        patience: int, epochs without improvement before training stops, or None for never.
        **options: of the pipeline's call, such as `num_beams=5`; greedy where not given.

    Attributes:
        history: list of dict, the scores of each epoch so far.
        signatures: dict from metric to sacreBLEU signature.
        samples: list of (source, text, target), three of the last epoch.
        sampled: list of dict, the "samples" of each "epoch" so far.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        pairs: Any,
        metrics: Sequence[str] = ("bleu", "chrf"),
        directory: StrPath | None = None,
        patience: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self.pipeline = pipeline
        self.sources, self.targets = _sides(pipeline, pairs)
        self.first_targets = [x if isinstance(x, str) else x[0] for x in self.targets]
        self.metrics = metrics
        self.directory = directory
        self.patience = patience
        self.options = {"num_beams": 1, **options}
        self.history: list[dict[str, Any]] = []
        self.signatures: dict[str, str] = {}
        self.samples: list[tuple[Any, str, str]] = []
        self.sampled: list[dict[str, Any]] = []
        self._copy = None

    @property
    def best(self) -> dict[str, Any] | None:
        """The scores of the best epoch so far, or None."""
        name = self.metrics[0]
        sign = -1 if name in LESS_IS_BETTER else 1
        return max(self.history, key=lambda row: sign * row[name], default=None)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        with averaged_weights(self.model):
            texts, log_probability, tokens = self._generate()
            row: dict[str, Any] = {"epoch": epoch + 1}
            for name in self.metrics:
                score = corpus_score(name, texts, self.targets)
                row[name] = score.value
                self.signatures[name] = score.signature
            row["perplexity"] = float(np.exp(-np.sum(log_probability) / np.sum(tokens)))
            self.samples = list(zip(self.sources, texts, self.first_targets, strict=True))[:3]
            told = [[str(part)[:LONGEST_TOLD] for part in sample] for sample in self.samples]
            self.sampled.append({"epoch": epoch + 1, "samples": told})
            self.history.append(row)
            first = distribution.current().process == 0
            if self.best is row and self.directory is not None and first:
                self.pipeline.save(self.directory)
        if logs is not None:
            logs.update({f"val_{key}": value for key, value in row.items() if key != "epoch"})
        best = self.best
        if self.patience is not None and best and epoch + 1 - best["epoch"] >= self.patience:
            self.model.stop_training = True

    def _generate(self):
        """Texts, log-probabilities and lengths; each process sees to its share of the sources."""
        parallel = distribution.current()
        mine = slice(parallel.process, None, parallel.processes)
        sources, targets = self.sources[mine], self.first_targets[mine]
        texts, log_probs, lengths = [], [], []
        with distribution.alone(self.pipeline, self._copy) as self._copy:
            if sources:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", TextWarning)  # which training mends
                    texts = self._copy(sources, **self.options)
                log_probs, lengths = self._copy.score(sources, targets, return_lengths=True)
        of_all = [None] * len(self.sources)
        share = [texts, _floats(log_probs), _floats(lengths)]
        for i, columns in enumerate(distribution.gather(share)):
            of_all[i :: parallel.processes] = zip(*columns, strict=True)
        return map(list, zip(*of_all, strict=True))

    def get_state(self) -> dict[str, Any]:
        """What a resumed training needs to know, as plain JSON."""
        return {
            "history": self.history,
            "signatures": self.signatures,
            "sampled": self.sampled,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        self.history, self.signatures = state["history"], state["signatures"]
        self.sampled = state.get("sampled", [])  # which earlier versions did not keep


class TrainingState(keras.callbacks.Callback):
    """Saves all that a killed training needs to go on to the very weights it would have had.

    After each epoch: the weights, the optimizer's variables (step and moving averages
    included), the seeds of dropout, and the state of other callbacks. The file is written
    aside and renamed, so a kill leaves the last whole one. The order of the data is a function
    of seed and epoch (`batches(..., start_epoch=...)`), so it needs no saving.

    Put it last in the list of callbacks.

    Args:
        path: the file, such as "run/state.safetensors".
        callbacks: dict from names to callbacks with `get_state` and `set_state`.

    Attributes:
        seconds: float, that the epochs took so far, those before a kill counted.
        epochs: int, that are done and kept.
    """

    def __init__(self, path: StrPath, callbacks: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.path = Path(path)
        self.callbacks = callbacks or {}
        self.seconds = 0.0
        self.epochs = 0

    def restore(self, model: Any) -> int:
        """Loads the state into a compiled model and the callbacks.

        Returns:
            int, the epochs done: the `initial_epoch` of `fit` and `start_epoch` of the batches;
            0 where nothing was saved yet. If the training had stopped, `finished` is True.

        Raises:
            CheckpointError: if the file is damaged or of another model.
        """
        self.finished = False
        if not self.path.exists():
            return 0
        model.optimizer.build(model.trainable_variables)
        variables = self._variables(model)
        try:
            data = self.path.read_bytes()
            values = parse_tensors(data)
            meta = json.loads(parse_metadata(data)["s2s_zoo"])
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{self.path} is no training state ({error}). Delete it to begin anew."
            ) from error
        shapes = {key: tuple(variable.shape) for key, variable in variables.items()}
        if shapes != {key: value.shape for key, value in values.items()}:
            raise CheckpointError(
                f"{self.path} was saved by a training with another model or optimizer. Resume "
                "with the same configuration, or choose another output directory."
            )
        for key, variable in variables.items():
            variable.assign(values[key])
        for name, callback in self.callbacks.items():
            if name in meta["callbacks"]:  # an earlier version may not have known it
                callback.set_state(meta["callbacks"][name])
        self.finished, self.seconds = meta["finished"], meta["seconds"]
        self.epochs = meta["epochs"]
        return self.epochs

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self._begun = time.perf_counter() - self.seconds

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        from safetensors.numpy import save_file

        self.seconds = time.perf_counter() - self._begun
        values = {
            key: np.array(keras.ops.convert_to_numpy(variable), order="C")
            for key, variable in self._variables(self.model).items()
        }
        meta = {
            "epochs": epoch + 1,
            "finished": self.model.stop_training,
            "seconds": self.seconds,
            "callbacks": {name: callback.get_state() for name, callback in self.callbacks.items()},
        }
        if distribution.current().process:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        aside = self.path.with_suffix(".part")
        save_file(values, aside, metadata={"s2s_zoo": json.dumps(meta)})
        os.replace(aside, self.path)
        self.epochs = epoch + 1

    @staticmethod
    def _variables(model):
        variables = [*model.variables, *model.optimizer.variables]
        return {
            f"{i:04d}": variable for i, variable in enumerate(variables)
        }  # paths are not stable

"""What a training tells while it runs: a line for each epoch, and samples in TensorBoard."""

from __future__ import annotations

import html
import io
import re
import sys
import time
import warnings
from typing import TYPE_CHECKING, Any

import keras
from tqdm import tqdm

from s2s_zoo.protocol.errors import S2SZooError, TextWarning
from s2s_zoo.protocol.types import StrPath
from s2s_zoo.training import distribution
from s2s_zoo.training.averaged import averaged_weights

if TYPE_CHECKING:
    from s2s_zoo.training.callbacks import GenerationMetrics

MARKS = re.compile(r"[\\`*_{}\[\]()#+.!-]")  # that Markdown has a meaning for


class EpochLine(keras.callbacks.Callback):
    """Prints a line after each epoch: loss, scores, speed, and how long it will take.

    While an epoch runs, a bar on a terminal counts its batches. Both go to standard error, and only
    the first of several processes writes them. Use it with `fit(verbose=0)`, behind the
    `GenerationMetrics`, whose scores are then in the line, and before a `TrainingState` that keeps
    it.

    Args:
        tokens: int, target tokens of an epoch, such as `batches.tokens`; 0 where nobody counted.
        metrics: the `GenerationMetrics`, or None.

    Attributes:
        history: list of dict, of each epoch so far: "epoch", "loss", "seconds" and, where tokens
            are counted, "tokens_per_second", of its batches alone.
    """

    def __init__(self, tokens: int = 0, metrics: GenerationMetrics | None = None) -> None:
        super().__init__()
        self.tokens = tokens
        self.metrics = metrics
        self.history: list[dict[str, Any]] = []
        self._bar: Any = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._begun = self._last = time.perf_counter()
        self._bar = tqdm(
            total=self.params.get("steps"),
            desc=f"epoch {epoch + 1}/{self.params['epochs']}",
            unit="batch",
            leave=False,
            disable=bool(distribution.current().process) or not sys.stderr.isatty(),
        )

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self._last = time.perf_counter()
        self._bar.update()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._bar.close()
        logs = logs or {}
        row = {
            "epoch": epoch + 1,
            "loss": float(logs.get("loss", float("nan"))),
            "seconds": time.perf_counter() - self._begun,
        }
        if self.tokens:
            row["tokens_per_second"] = self.tokens / max(self._last - self._begun, 1e-9)
        self.history.append(row)
        if not distribution.current().process:
            print(self._line(row, logs), file=sys.stderr, flush=True)

    def _line(self, row, logs):
        epochs = self.params["epochs"]
        parts = [f"loss {row['loss']:.3f}"]
        for name, value in logs.items():
            if name != "loss":
                parts.append(f"{name.removeprefix('val_').replace('_', ' ')} {value:.2f}")
        best = self.metrics.best if self.metrics else None
        if self.metrics and best:
            name = self.metrics.metrics[0]
            parts.append(f"best {name} {best[name]:.2f} of epoch {best['epoch']}")
        if "tokens_per_second" in row:
            parts.append(f"{row['tokens_per_second']:,.0f} tokens/s")
        parts.append(_clock(row["seconds"]))
        left = (epochs - row["epoch"]) * sum(x["seconds"] for x in self.history) / len(self.history)
        if left and not self.model.stop_training:
            parts.append(f"{_clock(left)} left")
        return f"epoch {row['epoch']}/{epochs}: {', '.join(parts)}"

    def get_state(self) -> dict[str, Any]:
        """What a resumed training needs to know, as plain JSON."""
        return {"history": self.history}

    def set_state(self, state: dict[str, Any]) -> None:
        self.history = state["history"]


def _clock(seconds):
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


class TensorBoardSamples(keras.callbacks.Callback):
    """Writes what a model makes of a few held-out sources for TensorBoard, after each epoch.

    The texts are under "Text"; under "Images" is, with matplotlib and a model that has alignments,
    what the model looked at while it wrote. It needs the package tensorboard and no TensorFlow.
    Put it behind the `GenerationMetrics`.

    Args:
        metrics: the `GenerationMetrics`, whose samples they are.
        directory: that of the logs.
    """

    def __init__(self, metrics: GenerationMetrics, directory: StrPath) -> None:
        super().__init__()
        self.metrics = metrics
        self.directory = str(directory)
        self._writer: Any = None

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        from tensorboard.plugins.image import metadata as of_images
        from tensorboard.plugins.text import metadata as of_texts

        for place, (source, text, target) in enumerate(self.metrics.samples):
            source, text, target = map(_as_markdown, (source, text, target))
            said = f"{source}\n\n→ {text and f'**{text}**'}\n\n= {target}"
            about = of_texts.create_summary_metadata(display_name="", description="")
            self._write(f"sample {place + 1}", [said], about, epoch)
        for place, result in enumerate(aligned(self.metrics)):
            picture = io.BytesIO()
            try:
                figure = result.plot(picture)
            except S2SZooError:  # no matplotlib, or no words on the side of the source
                break
            size = [str(int(100 * inches)).encode() for inches in figure.get_size_inches()]
            about = of_images.create_summary_metadata(display_name="", description="")
            self._write(f"looked at {place + 1}", [*size, picture.getvalue()], about, epoch)
        self._writer.flush()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        if self._writer:
            self._writer.close()

    def _write(self, tag, values, metadata, epoch):
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
        from tensorboard.util.tensor_util import make_tensor_proto

        if self._writer is None:
            self._writer = EventFileWriter(self.directory)
        tensor = make_tensor_proto(values)
        value = Summary.Value(tag=tag, metadata=metadata, tensor=tensor)
        self._writer.add_event(
            Event(wall_time=time.time(), step=epoch, summary=Summary(value=[value]))
        )


def _as_markdown(text: str) -> str:
    """What TensorBoard, which reads Markdown, shows as this text, in a line."""
    return html.escape(MARKS.sub(r"\\\g<0>", " ".join(text.split())), quote=False)


def aligned(metrics: GenerationMetrics) -> list[Any]:
    """The results of the samples with their alignments, by the averaged weights.

    Returns:
        list of Result, empty where a model has no alignments, or several devices or processes
            share it: the others would neither search nor exchange weights with this one.
    """
    parallel = distribution.current()
    if max(parallel.devices, parallel.processes) > 1:
        return []
    sources = [source for source, *_ in metrics.samples]
    try:
        with averaged_weights(metrics.pipeline.model), warnings.catch_warnings():
            warnings.simplefilter("ignore", TextWarning)  # which training mends
            found = metrics.pipeline(sources, return_alignment=True, **metrics.options)
    except (S2SZooError, ValueError):
        return []
    return [result for result in found if getattr(result, "alignment", None) is not None]

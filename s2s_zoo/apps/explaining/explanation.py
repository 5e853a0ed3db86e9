"""Which source tokens made a model write which target tokens."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from s2s_zoo.apps.explaining.attribution import METHODS
from s2s_zoo.protocol import END
from s2s_zoo.protocol.registry import check_keys, lookup
from s2s_zoo.protocol.types import StrPath

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from s2s_zoo.pipeline.pipeline import Pipeline


class Explanation(NamedTuple):
    """How much each source token counted for each target token. In a notebook it is an image.

    Attributes:
        method: str.
        source_tokens: S str, without the end of the text, which is never left out.
        target_tokens: T str.
        values: (T, S) float32, nats of log-probability: above 0 where a source token made a
            target token likelier.
        without: (T,) float32, the log-probability of each target token with every source token
            left out.
        whole: (T,) float32, with the whole source.
    """

    method: str
    source_tokens: Sequence
    target_tokens: Sequence
    values: Any
    without: Any
    whole: Any

    def plot(self, path: StrPath | None = None) -> Figure:
        """Draws the values, blue above 0 and red below; arguments and errors as `Result.plot`."""
        from s2s_zoo.pipeline.plots import heat_map

        return heat_map(self.values, self.source_tokens, self.target_tokens, path, signed=True)

    def _repr_png_(self):
        from s2s_zoo.pipeline.plots import png

        return png(self)


def explain(
    pipeline: Pipeline,
    source: str,
    target: str | None = None,
    method: Literal["occlusion", "integrated_gradients", "kernel_shap", "lime"] = "occlusion",
    batch_size: int = 64,
    **options: Any,
) -> Explanation:
    """Explains each token of a target by the tokens of its source.

    A source token is left out by putting the unknown token in its place. What is explained is
    v_t(z) = log p(y_t | y_1 .. y_{t-1}, z), the log-probability of the t-th target token after
    those before it, where z says which source tokens are kept. One forward pass of a z serves all
    target tokens.

    Args:
        pipeline: a Pipeline of texts.
        source: str.
        target: str; None explains what the pipeline writes.
        method: "occlusion" (S + 1 passes), "integrated_gradients" (`steps`), "kernel_shap"
            (`samples`, `seed`) or "lime" (`samples`, `width`, `ridge`, `seed`): see
            `s2s_zoo.apps.explaining.attribution`.
        batch_size: int, passes run at once.
        **options: of the method.

    Returns:
        Explanation.

    Raises:
        ValueError: for a pipeline of images or sound, a blank source, an unknown method or option,
            naming the nearest, or fewer samples than the method needs.
    """
    made = lookup(METHODS, method, "method of explanation")
    known = [name for name in inspect.signature(made).parameters if name != "game"]
    check_keys(options, known, f"{method} explanation")
    processor = pipeline.processor
    if processor.reads != "text":
        drawn = {"image": "photo is drawn by `s2s_zoo.plots.plot_caption`"}
        drawn["audio"] = "recording is drawn by `s2s_zoo.plots.plot_transcription`"
        raise ValueError(
            f"explain expected a pipeline of texts. Received: task={pipeline.task!r}. The "
            f"attention over a {drawn[processor.reads]}."
        )
    if processor.is_blank(source):
        raise ValueError(f"explain expected a source with some text. Received: {source!r}.")
    target = pipeline(source, split=False) if target is None else target
    [source], [target] = processor.protected([source], [target])
    game = Game(
        pipeline,
        processor.encode_source([source])[0],
        processor.encode_target([target], sources=[source])[0],
        batch_size,
    )
    values = made(game, **options)
    without, whole = game.value(np.array([[False] * game.players, [True] * game.players]))
    pieces = processor.source_pieces(game.source, source)
    return Explanation(
        method,
        [pieces[place] for place in game.places],
        processor.target_pieces(game.target, source),
        values.astype("float32"),
        without.astype("float32"),
        whole.astype("float32"),
    )


class Game:
    """The value function v_t(z) of a source and a target, for `attribution`.

    Args:
        pipeline: a Pipeline.
        source: (S',) ids, END among them.
        target: (T,) ids, ending in END.
        batch_size: int.
    """

    def __init__(
        self, pipeline: Pipeline, source: np.ndarray, target: np.ndarray, batch_size: int
    ) -> None:
        self.model, self.scorer = pipeline.model, pipeline.scorer
        self.source, self.target = source, target
        self.places = np.flatnonzero(source != END)
        self.players = len(self.places)
        self.unknown = np.where(source == END, END, pipeline.processor.unknown_id).astype("int32")
        self.batch_size = batch_size

    def value(self, masks: np.ndarray) -> np.ndarray:
        """(K, S) bool to (K, T) float64."""
        kept = np.ones((len(masks), len(self.source)), bool)
        kept[:, self.places] = masks
        sources = np.where(kept, self.source, self.unknown)
        found = [
            self.scorer.score_tokens(rows, self._targets(rows)) for rows in self._batches(sources)
        ]
        return np.concatenate(found).astype("float64")

    def derivative(self, shares: np.ndarray) -> np.ndarray:
        """(K, S) floats to (K, T, S), the derivatives of v_t to z_s, z mixing the embeddings."""
        from keras import ops

        from s2s_zoo.apps.explaining.gradients import gradient
        from s2s_zoo.generation.scorer import after_start, log_probs_of
        from s2s_zoo.layers.embedding import blended

        length = len(self.target)
        whole = np.ones((len(shares), len(self.source)), "float32")
        whole[:, self.places] = shares
        found = []
        # Each share of the source once for each target token, of which that row alone counts.
        rows = np.repeat(whole, length, axis=0)
        counts = np.tile(np.eye(length, dtype="float32"), (len(shares), 1))
        for row, count in zip(self._batches(rows), self._batches(counts), strict=True):
            target, source, unknown = (
                ops.convert_to_tensor(np.tile(ids, (len(row), 1)), "int32")
                for ids in (self.target, self.source, self.unknown)
            )

            def counted(z, source=source, unknown=unknown, target=target, count=count):
                with blended(z, unknown):
                    encoded = self.model.encode(source)
                logits = self.model.decoder(after_start(target), encoded)
                return ops.sum(log_probs_of(target, logits) * count)

            found.append(gradient(counted, row)[:, self.places])
        return np.concatenate(found).reshape(len(shares), length, -1).astype("float64")

    def _targets(self, rows):
        return np.tile(self.target, (len(rows), 1))

    def _batches(self, rows):
        return [rows[i : i + self.batch_size] for i in range(0, len(rows), self.batch_size)]

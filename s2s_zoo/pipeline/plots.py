"""Pictures of what a model does. They need matplotlib: `pip install 's2s-zoo[plots]'`."""

from __future__ import annotations

import io
import math
import unicodedata
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from s2s_zoo.data.words import JOINER
from s2s_zoo.protocol.errors import DataError, S2SZooError
from s2s_zoo.protocol.types import StrPath, Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from s2s_zoo.pipeline.pipeline import Pipeline
    from s2s_zoo.pipeline.result import Result

COLUMNS = 6
SHORTEST = 480  # pixels of the photo's longer side that are drawn
MOST_SECONDS = 60.0  # of a recording that is drawn
ROW, WIDEST = 0.25, 40.0  # inches: of what was spoken in a picture, and of its width at most
LEAST_COPIED = 0.1  # of a token from a source position that is drawn
CELL, LONGEST = 0.28, 100  # inches: of a token in a heat map, and of its longer side at most


def plot_caption(pipeline: Pipeline, image: Any, path: StrPath, **options: Any) -> Result:
    """Captions an image and draws where each word looked, as figure 2 of Xu et al. (1502.03044).

    The photo, then for each word the photo with the weights of the attention over it, white where
    they are high, at the scale of each word.

    Args:
        pipeline: of the task "captioning".
        image: what `read_image` takes.
        path: str or path of the picture, of a kind that matplotlib writes, by its ending.
        **options: of the pipeline's call, such as `num_beams=5`.

    Returns:
        Result, with the caption and the alignment (T, S).

    Raises:
        S2SZooError: where there is no matplotlib, or it does not know the ending.
        DataError: for an image that cannot be read.
    """
    from s2s_zoo.data import read_image
    from s2s_zoo.data.images import resized
    from s2s_zoo.data.pages import WITHOUT_GRAPH

    photo: Any = read_image(image)
    result = pipeline(photo, return_alignment=True, **options)
    words = [_word(piece) for piece in result.target_tokens]
    how = pipeline.processor.resize
    if how in (
        "crop",
        *WITHOUT_GRAPH,
    ):  # what the model did not see is not drawn, and what it did is
        photo = resized(photo, pipeline.processor.size, how)
    else:
        photo.thumbnail((SHORTEST, SHORTEST))
    photo = np.asarray(photo)
    height, width = photo.shape[:2]
    maps = pipeline.model.encoder.maps(result.alignment)

    rows = math.ceil((1 + len(words)) / COLUMNS)
    figure = _figure(2.2 * COLUMNS, 2.2 * rows * height / width + 0.4 * rows)
    axes = figure.subplots(rows, COLUMNS, squeeze=False).flat
    for axis in axes:
        axis.set_axis_off()
    extent = (0, width, height, 0)
    axes = figure.axes
    axes[0].imshow(photo, extent=extent)
    for axis, word, weights in zip(axes[1:], words, maps, strict=False):
        axis.imshow(photo, extent=extent)
        axis.imshow(weights, cmap="gray", alpha=0.65, extent=extent, interpolation="bicubic")
        axis.set_title(word, fontsize=11)
    figure.suptitle(result.text)
    _save(figure, path)
    return result


def plot_copies(pipeline: Pipeline, text: str, path: StrPath, **options: Any) -> Result:
    """Generates from a text and draws what was copied, as figure 1 of See et al. (1704.04368).

    Each row is a token that was written, its bar the part 1 - p_gen that was copied; the columns
    are the source tokens it was copied from, as dark as (1 - p_gen) a_ti.

    Args:
        pipeline: whose decoder has a pointer.
        text: str.
        path: str or path of the picture, of a kind that matplotlib writes, by its ending.
        **options: of the pipeline's call, such as `num_beams=5`.

    Returns:
        Result, with the text, the alignment (T, S) and p_gen (T,).

    Raises:
        S2SZooError: for a decoder without a pointer or a blank text; where there is no
            matplotlib, or it does not know the ending.
    """
    result = pipeline(text, return_alignment=True, **options)
    if result.p_gen is None:
        raise S2SZooError(
            "Nothing was copied: the text is blank, or the checkpoint has no pointer. "
            "Give a text, and a checkpoint of summarization."
        )
    copied = (1 - result.p_gen)[:, None] * result.alignment
    seen = copied.max(axis=0) >= min(LEAST_COPIED, copied.max())
    written = [_word(piece) for piece in result.target_tokens]
    read = [_word(piece) for piece in np.array(result.source_tokens, object)[seen]]
    rows = np.arange(len(written))
    figure = _figure(4 + 0.25 * len(read), 1.5 + 0.25 * len(written))
    bars, map_ = figure.subplots(1, 2, sharey=True, width_ratios=[2, 1 + 0.25 * len(read)])
    bars.barh(rows, 1 - result.p_gen, color="0.4")
    bars.set(xlim=(0, 1), xlabel="copied", yticks=rows, yticklabels=written)
    map_.imshow(copied[:, seen], cmap="gray_r", vmin=0, vmax=1, aspect="auto")
    map_.set_xticks(np.arange(len(read)), read, rotation=90)
    _save(figure, path)
    return result


def plot_transcription(pipeline: Pipeline, sound: Any, path: StrPath, **options: Any) -> Any:
    """Transcribes a recording and draws when each word was spoken, under what was heard.

    The features of the recording, and below them a row for each word: of a Whisper its time, of
    another model where it looked, as figure 2 of Chan et al. (1508.01211).

    Args:
        pipeline: of the task "transcription".
        sound: what `s2s_zoo.data.sound.Recording` takes, of at most `MOST_SECONDS`.
        path: str or path of the picture, of a kind that matplotlib writes, by its ending.
        **options: of the pipeline's call, such as `num_beams=5`.

    Returns:
        Transcript with the words, or Result with the alignment (T, S).

    Raises:
        S2SZooError: where there is no matplotlib, or it does not know the ending.
        DataError: for a recording that cannot be read, or is longer; a Whisper that does not know
            the times of words.
    """
    processor = pipeline.processor
    heard = processor.read(sound)
    seconds = len(heard.samples) / processor.rate
    if seconds > MOST_SECONDS:
        raise DataError(
            f"{heard.name} has {seconds:.1f} seconds, and at most {MOST_SECONDS:g} are drawn. Cut "
            "it."
        )
    features = processor.features(heard.samples)
    timed: list[Any] = []
    if pipeline.transcriber is None:
        result: Any = pipeline(heard, return_alignment=True, **options)
        count = len(result.target_tokens)
    else:
        result = pipeline(heard, return_timestamps="word", **options)
        timed = [word for segment in result.segments for word in segment.words]
        count = len(timed)
    figure = _figure(max(6.0, min(1.2 * seconds, WIDEST)), 2.2 + ROW * count)
    rows = figure.subplots(2, 1, sharex=True, height_ratios=[2, 0.2 + ROW * count])
    extent = (0.0, max(seconds, 1e-3))
    if len(features):
        bands = (*extent, 0.0, float(processor.mels))
        rows[0].imshow(features.T, origin="lower", aspect="auto", extent=bands)
    rows[0].set(yticks=[], xlim=extent)
    if pipeline.transcriber is None and count:
        places = (*extent, count - 0.5, -0.5)
        rows[1].imshow(result.alignment, cmap="gray_r", aspect="auto", extent=places)
        rows[1].set_yticks(np.arange(count), [_word(piece) for piece in result.target_tokens])
    else:
        _bars(rows[1], timed)
    rows[1].set_xlabel("seconds")
    figure.suptitle(result.text)
    _save(figure, path)
    return result


def timeline(spans: Sequence[Any], seconds: float, path: StrPath | None = None) -> Figure:
    """Draws when each part of a recording was spoken.

    Args:
        spans: list of `Word` or `Segment`.
        seconds: float, the length of the recording.
        path: where to save it, or None.

    Returns:
        The matplotlib Figure.

    Raises:
        S2SZooError: where there is no matplotlib, or it does not know the ending.
    """
    figure = _figure(max(6.0, min(1.2 * seconds, WIDEST)), 0.4 + ROW * len(spans))
    axes = figure.subplots()
    _bars(axes, spans)
    axes.set(xlim=(0.0, max(seconds, 1e-3)), xlabel="seconds")
    _save(figure, path)
    return figure


def _bars(axes, spans):
    """A bar for each span, the first at the top."""
    places = np.arange(len(spans))
    axes.barh(places, [x.end - x.start for x in spans], left=[x.start for x in spans])
    axes.set_yticks(places, [x.text.strip() for x in spans])
    axes.invert_yaxis()


def heat_map(
    values: Tensor,
    source_tokens: Sequence[str],
    target_tokens: Sequence[str],
    path: StrPath | None = None,
    signed: bool = False,
) -> Figure:
    """Draws a number for each pair of a target and a source token.

    Args:
        values: (T, S) array.
        source_tokens: S str, the columns.
        target_tokens: T str, the rows.
        path: where to save it, or None.
        signed: bool. False: black is 0, white 1. True: blue is above 0, red below, white 0, with
            a scale beside.

    Returns:
        The matplotlib Figure.

    Raises:
        S2SZooError: where there is no matplotlib, or it does not know the ending.
    """
    height, width = np.shape(values)
    cell = min(CELL, LONGEST / max(height, width))
    figure = _figure(cell * width, cell * height)
    axes = figure.add_axes((0, 0, 1, 1))  # the labels are outside: saving makes room for them
    largest = max(float(np.max(np.abs(values))), 1e-12) if signed else 1.0
    image = axes.imshow(
        values,
        cmap="RdBu" if signed else "gray",
        vmin=-largest if signed else 0.0,
        vmax=largest,
        aspect="auto",
        interpolation="nearest",
    )
    size = 10 * cell / CELL
    columns = [_word(piece) for piece in source_tokens]
    wide = [any(unicodedata.east_asian_width(char) in "WF" for char in word) for word in columns]
    columns = ["\n".join(word) if w else word for word, w in zip(columns, wide, strict=True)]
    axes.set_xticks(np.arange(width), columns, fontsize=size)
    axes.set_yticks(np.arange(height), [_word(piece) for piece in target_tokens], fontsize=size)
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False)
    for label, upright in zip(axes.get_xticklabels(), wide, strict=True):
        label.set_rotation(0 if upright else 90)
    if signed:
        scale = figure.add_axes((1 + 0.5 * cell / (cell * width), 0, 0.5 / width, 1))
        figure.colorbar(image, cax=scale)
    _save(figure, path)
    return figure


def png(plotted: Any) -> bytes | None:
    """The bytes of a picture of what has a `plot`, for a notebook.

    Returns:
        bytes, or None where there is nothing to draw or no matplotlib: it then shows as text.
    """
    try:
        figure = plotted.plot()
    except S2SZooError:
        return None
    data = io.BytesIO()
    _save(figure, data)
    return data.getvalue()


def _word(piece):
    """A token as a picture shows it: few fonts have the joiner of a `WordTokenizer`."""
    return "(end)" if piece == "</s>" else piece.replace("▁", " ").replace(JOINER, "·").strip()


def _figure(width, height):
    """A figure of so many inches, with a canvas that needs no screen."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise S2SZooError("Plots need matplotlib: pip install 's2s-zoo[plots]'.") from error
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def _save(figure, path):
    """Gives the texts of a figure fonts that have their characters, and writes it to `path`."""
    from matplotlib.text import Text

    from s2s_zoo.pipeline.fonts import families

    for axes in figure.axes:
        axes.get_xticklabels(), axes.get_yticklabels()  # are only now what they were set to
    texts = figure.findobj(Text)
    names = families("".join(text.get_text() for text in texts))
    for text in texts:
        text.set_fontfamily(names)
    if path is None:
        return
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")  # `families` has said so
            figure.savefig(path, dpi=100, bbox_inches="tight")
    except ValueError as error:
        raise S2SZooError(f"{path} cannot be written: {error}.") from error

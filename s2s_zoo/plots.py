"""Pictures of what a model does. They need matplotlib: `pip install 's2s-zoo[plots]'`."""

import math

import numpy as np

from s2s_zoo.errors import S2SZooError

COLUMNS = 6
SHORTEST = 480  # pixels of the photo's longer side that are drawn


def plot_caption(pipeline, image, path, **options):
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
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise S2SZooError("Plots need matplotlib: pip install 's2s-zoo[plots]'.") from error
    from s2s_zoo.data import read_image
    from s2s_zoo.data.images import resized

    photo = read_image(image)
    result = pipeline(photo, return_alignment=True, **options)
    words = [*(piece.replace("▁", " ").strip() for piece in result.target_tokens[:-1]), "(end)"]
    if pipeline.processor.resize == "crop":  # what the model did not see is not drawn
        photo = resized(photo, pipeline.processor.size, "crop")
    else:
        photo.thumbnail((SHORTEST, SHORTEST))
    photo = np.asarray(photo)
    height, width = photo.shape[:2]
    maps = result.alignment.reshape(-1, *pipeline.model.encoder.grid)

    rows = math.ceil((1 + len(words)) / COLUMNS)
    figure = Figure(figsize=(2.2 * COLUMNS, 2.2 * rows * height / width + 0.4 * rows))
    FigureCanvasAgg(figure)
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
    try:
        figure.savefig(path, dpi=100, bbox_inches="tight")
    except ValueError as error:
        raise S2SZooError(f"{path} cannot be written: {error}.") from error
    return result

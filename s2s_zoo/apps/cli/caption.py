"""The command `s2s-zoo caption`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from s2s_zoo.apps.cli.search import add_search_options, check_search, search_options
from s2s_zoo.apps.cli.shared import NAME, load, only_checkpoint
from s2s_zoo.protocol.errors import DataError
from s2s_zoo.protocol.tasks import CAPTIONING

TOGETHER = 64  # images read before their captions are printed


def add_command(commands: Any) -> None:
    """Adds it to the subparsers of the command line."""
    command = commands.add_parser("caption", help="say what is in photos")
    command.set_defaults(command=_caption)
    command.add_argument("image", nargs="+", metavar="FILE", help="an image, an address, a folder")
    command.add_argument("--model", metavar="NAME", help=NAME)
    command.add_argument(
        "--plot", metavar="OUT.png", help="draw where each word looked, of a single image"
    )
    add_search_options(command, "seed")


def _caption(arguments):
    """Prints a caption; for several images their names before it, with a tab between."""
    caption = load(arguments.model or only_checkpoint(CAPTIONING))
    options = search_options(arguments)
    check_search(arguments, caption, options)
    found = [caption.processor.collect(image) for image in arguments.image]
    images = [str(image) for sources, _ in found for image in sources]
    single = len(found) == 1 and found[0][1]
    if arguments.plot:
        if not single:
            arguments.usage_error("--plot draws a single image")
        from s2s_zoo.pipeline.plots import plot_caption

        print(plot_caption(caption, images[0], arguments.plot, **options).text)
        return
    bad = []
    for start in range(0, len(images), TOGETHER):
        names, pixels = [], []
        for name in images[start : start + TOGETHER]:
            try:
                pixels += caption.processor.encode_source([name])
                names.append(name)
            except DataError as error:
                if single:
                    raise
                warnings.warn(str(error), stacklevel=1)
                bad.append(name)
        for name, text in zip(names, caption(pixels, progress=False, **options), strict=True):
            print(text if single else f"{name}\t{text}", flush=True)
        options.pop("seed", None)  # the next go on in the same random sequence
    if bad:
        listed = ", ".join(Path(name).name for name in bad[:10]) + (", …" if bad[10:] else "")
        raise DataError(f"{len(bad)} of {len(images)} images could not be captioned: {listed}.")

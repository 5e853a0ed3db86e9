"""The command `s2s-zoo caption`."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from s2s_zoo.apps.cli.alt_text import Page
from s2s_zoo.apps.cli.listed import FORMATS, Captioned
from s2s_zoo.apps.cli.search import add_search_options, check_search, search_options
from s2s_zoo.apps.cli.shared import NAME, load, only_checkpoint
from s2s_zoo.protocol.errors import DataError
from s2s_zoo.protocol.tasks import CAPTIONING
from s2s_zoo.protocol.written import written

if TYPE_CHECKING:
    from s2s_zoo.pipeline.pipeline import Pipeline

TOGETHER = 64  # images read before their captions are printed
UNSURE = 0.35  # below this mean probability of its words a caption is a guess
MARKS = {"en": "perhaps: ", "de": "vielleicht: "}
LARGEST_PAGE = 64 << 20  # bytes


def add_command(commands: Any) -> None:
    """Adds it to the subparsers of the command line."""
    command = commands.add_parser("caption", help="say what is in photos")
    command.set_defaults(command=_caption)
    add = command.add_argument
    add("image", nargs="*", metavar="FILE", help="an image, an address, a folder")
    add("--model", metavar="NAME", help=NAME)
    add("--plot", metavar="OUT.png", help="draw where each word looked, of a single image")
    add(
        "--question",
        metavar="TEXT",
        help="what is asked of each image, of a checkpoint that reads it",
    )
    add("--format", choices=FORMATS, help="file, caption, score and whether the model is sure")
    add("--alt", metavar="PAGE.html", help="write alt= into the images of a page that lack it")
    add("--output", metavar="FILE", help="where --format and --alt write; --alt never in place")
    add("--fetch", action="store_true", help="with --alt: also images at addresses, http and https")
    add(
        "--unsure-below",
        type=_share,
        default=UNSURE,
        metavar="P",
        help=f"mark captions whose words have a lower mean probability; default: {UNSURE}",
    )
    add_search_options(command, "num_return", "seed")


def _share(text):
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, received {text}")
    return value


def _caption(arguments):
    """Prints a caption; for several images their names before it, with a tab between."""
    _check(arguments)
    caption = load(arguments.model or only_checkpoint(CAPTIONING))
    options = search_options(arguments)
    check_search(arguments, caption, options)
    if arguments.question is not None:
        if not hasattr(caption.processor, "question"):
            arguments.usage_error("--question is for a checkpoint that reads one: leave it out")
        caption.processor.question = arguments.question
    if arguments.alt:
        _write_page(arguments, caption, options)
        return
    found = [caption.processor.collect(image) for image in arguments.image]
    images = [str(image) for sources, _ in found for image in sources]
    single = len(found) == 1 and found[0][1]
    if arguments.plot:
        if not single:
            arguments.usage_error("--plot draws a single image")
        from s2s_zoo.pipeline.plots import plot_caption

        print(plot_caption(caption, images[0], arguments.plot, **options).text)
        return
    if arguments.output and any(_is_same(arguments.output, image) for image in images):
        arguments.usage_error(f"--output is one of the images: {arguments.output}")
    bad: list[str] = []
    lines = _lines(arguments, caption, images, options, bad, single)
    if arguments.output:
        _write(arguments.output, ("".join(lines)).encode("utf-8", "surrogateescape"))
    else:
        for line in lines:
            print(line, end="", flush=True)
    _complain(bad, len(images))


def _check(arguments):
    if bool(arguments.image) == bool(arguments.alt):
        arguments.usage_error("give either images or --alt PAGE.html")
    if arguments.alt and (arguments.plot or arguments.format):
        arguments.usage_error("--alt writes a page: leave --plot and --format out")
    if arguments.alt and not arguments.output:
        arguments.usage_error("--alt needs --output FILE, where the page with its texts goes")
    if (arguments.num_return or 1) > 1 and (arguments.alt or arguments.plot):
        arguments.usage_error("--num-return gives several captions: leave --alt and --plot out")
    if arguments.output and not (arguments.alt or arguments.format):
        arguments.usage_error("--output is for --format and --alt")
    if arguments.fetch and not arguments.alt:
        arguments.usage_error("--fetch is for --alt")
    if arguments.alt and _is_same(arguments.output, arguments.alt):
        arguments.usage_error("--output is the page itself, which is never changed: name another")


def _is_same(one, other):
    return Path(one).resolve() == Path(other).resolve()


def _lines(arguments, caption, images, options, bad, single) -> Iterator[str]:
    """What is printed of images: lines as before, or one of the `FORMATS`."""
    if arguments.format is None:
        for name, text, _ in _texts(caption, images, images, options, bad, single, False):
            yield f"{text}\n" if single else f"{name}\t{text}\n"
        return

    def rows():
        for name, text, score in _texts(caption, images, images, options, bad, single):
            sure = score >= arguments.unsure_below
            yield Captioned(name, text, score, sure, _marked(caption, text, sure))

    folder = Path(arguments.output).parent if arguments.output else Path()
    yield from FORMATS[arguments.format](rows(), folder)


def _texts(
    caption: Pipeline,
    names: Sequence[str],
    sources: Sequence[Any],
    options: dict[str, Any],
    bad: list[str],
    single: bool = False,
    scored: bool = True,
) -> Iterator[tuple[str, str, float]]:
    """The names of images, their captions, one or several, and how sure the model is of each.

    That is the geometric mean of the probabilities of the tokens, and 1 where it is not `scored`.
    The names of images that cannot be read are added to `bad`.
    """
    options = dict(options)
    for start in range(0, len(names), TOGETHER):
        kept, pixels = [], []
        part = slice(start, start + TOGETHER)
        for name, source in zip(names[part], sources[part], strict=True):
            try:
                pixels += caption.processor.encode_source([source])
                kept.append(name)
            except DataError as error:
                if single:
                    raise
                warnings.warn(str(error), stacklevel=1)
                bad.append(name)
        found = [
            (name, text, image)
            for name, answer, image in zip(
                kept, caption(pixels, progress=False, **options), pixels, strict=True
            )
            for text in ([answer] if isinstance(answer, str) else answer)
        ]
        scores = _scores(caption, found) if scored else [1.0] * len(found)
        for (name, text, _), score in zip(found, scores, strict=True):
            yield name, text, score
        options.pop("seed", None)  # the next go on in the same random sequence


def _scores(caption, found):
    if not found:
        return []
    _, texts, pixels = zip(*found, strict=True)
    sums, lengths = caption.score(list(pixels), list(texts), return_lengths=True)
    return [float(score) for score in np.exp(sums / np.maximum(lengths, 1))]


def _marked(caption, text, sure):
    return text if sure else MARKS.get((caption.languages or ["en"])[0], "? ") + text


def _write_page(arguments, caption, options):
    path = Path(arguments.alt)
    try:
        if path.stat().st_size > LARGEST_PAGE:
            raise DataError(f"{path} has more than {LARGEST_PAGE:,} bytes. Expected a page.")
        page = Page(path.read_bytes(), path.parent)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Check its name.") from error
    bad: list[str] = []
    sources = {}
    for image in page.images:
        try:
            source = page.source(image, arguments.fetch)
            if image.source not in sources and not isinstance(source, bytes):
                if _is_same(arguments.output, source):
                    arguments.usage_error(f"--output is an image of the page: {arguments.output}")
            sources[image.source] = source
        except DataError as error:
            warnings.warn(str(error), stacklevel=1)
            bad.append(f"{image.source:.40}")
    texts = {}
    for name, text, score in _texts(caption, list(sources), list(sources.values()), options, bad):
        texts[name] = _marked(caption, text, score >= arguments.unsure_below)
    said = {image.place: texts[image.source] for image in page.images if image.source in texts}
    _write(arguments.output, page.with_texts(said))
    print(f"{len(said)} of {len(page.images)} images without alt have one", file=sys.stderr)
    _complain(bad, len(page.images))


def _write(output, data):
    """Writes a file whole or not at all."""
    try:
        with written(output) as file:
            file.write(data)
    except OSError as error:
        raise DataError(f"{output} cannot be written: {error.strerror}. Name another.") from error


def _complain(bad, count):
    if bad:
        names = [
            f"{name:.40}" if name.startswith("data:") else Path(name).name for name in bad[:10]
        ]
        listed = ", ".join(names) + (", …" if bad[10:] else "")
        raise DataError(f"{len(bad)} of {count} images could not be captioned: {listed}.")

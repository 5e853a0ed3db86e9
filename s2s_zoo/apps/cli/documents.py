"""`s2s-zoo translate --document`: files as a whole, and words that are to come through."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from s2s_zoo.data import read_pairs
from s2s_zoo.data.text.formats import BILINGUAL, FORMATS, PARTS, format_of
from s2s_zoo.pipeline.summarizing import take_how
from s2s_zoo.protocol.errors import DataError
from s2s_zoo.protocol.written import written


def add_document_options(command: argparse.ArgumentParser) -> None:
    """Adds the flags to a command."""
    group = command.add_argument_group("documents", "see docs/documents.md")
    group.add_argument(
        "--document",
        action="store_true",
        help="the input is one document, and keeps its layout, as files of a known format always "
        "are; default: a text on each line",
    )
    group.add_argument(
        "--format",
        choices=sorted([*FORMATS, *PARTS]),
        help="of a document; default: by the ending of --input, or text",
    )
    group.add_argument(
        "--retranslate",
        action="store_true",
        help="of PO and XLIFF also what has a translation",
    )
    group.add_argument(
        "--keep",
        metavar="WORD",
        action="append",
        default=[],
        help="a word that comes through as it is; may be given again",
    )
    group.add_argument(
        "--terms",
        metavar="FILE.tsv",
        help="words and their translations, which are taken from here",
    )


def check_documents(arguments: argparse.Namespace) -> None:
    """Ends with a usage error where flags do not go together.

    Raises:
        DataError: for an input of a kind that is known and not read, such as PDF.
    """
    arguments.format = arguments.format or format_of(Path(arguments.input or "").name)
    arguments.document = arguments.document or arguments.format is not None
    if arguments.document and (arguments.text or arguments.plot):
        arguments.usage_error("a document is --input or standard input, without TEXT and --plot")
    if arguments.retranslate and not arguments.document:
        arguments.usage_error("--retranslate is for documents: give --document or --format")
    arguments.format = arguments.format or "text"
    if arguments.retranslate and arguments.format not in BILINGUAL:
        known = " and ".join(BILINGUAL)
        arguments.usage_error(f"--retranslate is for {known}. Received: {arguments.format}")
    if arguments.format in PARTS and not arguments.output and sys.stdout.isatty():
        arguments.usage_error(f"give --output for a .{arguments.format} file")


def reading_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options of a call that say which words come through.

    Raises:
        DataError: for a file of terms that cannot be used.
    """
    terms: dict[str, str] = {}
    for word, translation in read_pairs(arguments.terms) if arguments.terms else []:
        if terms.setdefault(word, translation) != translation:
            raise DataError(
                f"{arguments.terms}: {word!r} has two translations, {terms[word]!r} and "
                f"{translation!r}. Leave one of them out."
            )
    given = {"keep": arguments.keep, "terms": terms}
    return {name: value for name, value in given.items() if value}


def check_reading(arguments: argparse.Namespace, pipeline: Any, options: dict[str, Any]) -> None:
    """Ends with a usage error where a pipeline cannot read texts with these options."""
    try:
        take_how(getattr(pipeline, "legs", [pipeline])[0], options, None, None)
    except ValueError as error:
        arguments.usage_error(str(error))


def translate_document(
    arguments: argparse.Namespace, opened: Callable[[], Any], options: dict[str, Any]
) -> None:
    """Writes the translation of a document.

    Args:
        arguments: what was parsed.
        opened: gives the pipeline.
        options: dict, of its call.
    """
    from s2s_zoo.pipeline.files import translate_bytes

    name = arguments.input or "standard input"
    data = Path(name).read_bytes() if arguments.input else sys.stdin.buffer.read()
    sys.stdout.flush()
    shown = nullcontext(sys.stdout.buffer)
    with written(arguments.output) if arguments.output else shown as file:
        found = translate_bytes(
            opened(),
            data,
            name,
            arguments.format,
            arguments.retranslate,
            progress=None if arguments.output else False,
            **options,
        )
        file.write(found)

"""The XML of office documents: paragraphs of .odt and .docx."""

from __future__ import annotations

import re
from collections.abc import Iterator

from s2s_zoo.data.text.formats.hypertext import as_xml, read_entities
from s2s_zoo.data.text.formats.marked import Block, Marked, inner, marked

XML_TAG = re.compile(
    r"<!--.*?-->|<\?.*?\?>|<(/?)([\w:.-]+)(?:\"[^\"]*\"|'[^']*'|[^<>\"'])*>", re.DOTALL
)
ODT_INLINE = ("text:span", "text:a", "text:s", "text:soft-page-break", "text:bookmark")
ODT_SKIPPED = ("text:tracked-changes", "script", "math:math", "office:scripts")
RUN = re.compile(
    r"<w:r(?: [^<>]*)?>(?P<style><w:rPr(?: [^<>]*)?>.*?</w:rPr>|<w:rPr/>)?"
    r"(?:<w:lastRenderedPageBreak ?/>)*<w:t(?: [^<>]*)?>(?P<text>[^<]*)</w:t></w:r>",
    re.DOTALL,
)
ALONE = re.compile(r"<w:t(?: [^<>]*)?>(?P<text>[^<]+)</w:t>")  # in a run with more than text
BETWEEN = re.compile(r"(?:\s|<w:(?:proofErr|bookmarkStart|bookmarkEnd)\b[^<>]*/>)*")
PIECE = re.compile(r"<g(\d+)>(.*?)</g\1>", re.DOTALL)


def parse_odt_xml(text: str) -> Marked:
    """Finds the paragraphs of the content.xml of an .odt file; spans of text stay in them."""
    return marked(text, _odt_blocks(text), lambda words, block: as_xml(words, block.raw))


def _odt_blocks(text: str) -> Iterator[tuple[int, int, str]]:
    start, place, paragraph, skipped = 0, 0, 0, ""
    for match in XML_TAG.finditer(text):
        slash, name = match.group(1), match.group(2) or ""
        if skipped:
            skipped = "" if slash and name == skipped else skipped
        elif name in ODT_SKIPPED and not slash and not match.group().endswith("/>"):
            skipped = name
        elif name in ODT_INLINE:
            continue
        if paragraph and not skipped:
            yield from _odt_block(text, start, match.start())
        start = place = match.end()
        if name in ("text:p", "text:h") and not match.group().endswith("/>"):
            paragraph = max(0, paragraph + (-1 if slash else 1))
    if paragraph:
        yield from _odt_block(text, place, len(text))


def _odt_block(text: str, start: int, end: int) -> Iterator[tuple[int, int, str]]:
    left, right = inner(text[start:end])
    if left < right:
        yield start + left, start + right, read_entities(text[start + left : start + right])


def parse_docx_xml(text: str) -> Marked:
    """Finds runs of text in a part of a .docx file that follow one another.

    Runs with the format of the longest of them are plain; another is `<g1>…</g1>`, by its number.
    What stands between runs, such as a link, a tab or a picture, parts a paragraph.
    """
    return marked(text, _docx_blocks(text), _runs)


def _docx_blocks(text: str) -> Iterator[tuple[int, int, str]]:
    group: list[re.Match[str]] = []
    place = 0
    for run in [*RUN.finditer(text), None]:
        if group and (run is None or not BETWEEN.fullmatch(text, group[-1].end(), run.start())):
            yield from _alone(text, place, group[0].start())
            place = group[-1].end()
            yield group[0].start(), place, _docx_text(group)
            group = []
        if run is not None:
            group.append(run)
    yield from _alone(text, place, len(text))


def _alone(text: str, start: int, end: int) -> Iterator[tuple[int, int, str]]:
    for match in ALONE.finditer(text, start, end):
        yield *match.span("text"), read_entities(match.group("text"))


def _docx_text(group: list[re.Match[str]]) -> str:
    base, parts = _base(group), []
    for number, style, words in _merged(group):
        words = read_entities(words)
        parts.append(words if style == base else f"<g{number}>{words}</g{number}>")
    return "".join(parts)


def _merged(group: list[re.Match[str]]) -> Iterator[tuple[int, str, str]]:
    """Yields number, format and text of the runs, those of one format that touch as one."""
    number, style, words = 0, None, ""
    for run in group:
        own = run.group("style") or ""
        if style is not None and own != style:
            yield number, style, words
            number, words = number + 1, ""
        style, words = own, words + run.group("text")
    yield number, style or "", words


def _base(group: list[re.Match[str]]) -> str:
    lengths: dict[str, int] = {}
    for run in group:
        style = run.group("style") or ""
        lengths[style] = lengths.get(style, 0) + len(run.group("text"))
    return max(lengths, key=lambda style: lengths[style])


def _runs(text: str, block: Block) -> str:
    """A translation as runs, each with the format that its number has in the block."""
    group = list(RUN.finditer(block.raw))
    if not group:
        return as_xml(text)
    styles = {number: style for number, style, _ in _merged(group)}
    runs, place = [], 0
    for piece in PIECE.finditer(text):
        runs += [_run(_base(group), text[place : piece.start()])]
        runs += [_run(styles.get(int(piece.group(1)), ""), piece.group(2))]
        place = piece.end()
    return "".join([*runs, _run(_base(group), text[place:])])


def _run(style: str, words: str) -> str:
    if not words:
        return ""
    return f'<w:r>{style}<w:t xml:space="preserve">{as_xml(words)}</w:t></w:r>'

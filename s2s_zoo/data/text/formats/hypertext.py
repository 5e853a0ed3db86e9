"""HTML: text between tags, as the parser of the standard library finds them."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser

from s2s_zoo.data.text.formats.marked import TAG, Marked, inner, marked

INLINE = frozenset(
    "a abbr acronym b bdi bdo big button cite code data del dfn em font i img ins kbd label mark "
    "nobr q rp rt ruby s samp small span strike strong sub sup time tt u var wbr".split()
)
VERBATIM = ("pre", "script", "style", "textarea", "svg", "math", "template", "iframe", "object")
VOID = ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr")
BARE_AMPERSAND = re.compile(r"&(?!#?\w{1,32};)")
ENTITY = re.compile(r"#?\w{1,32};")
ANY_ENTITY = re.compile(r"&#?\w{1,32};")
TAG_OR_ENTITY = re.compile(rf"{TAG.pattern}|{ANY_ENTITY.pattern}")
NAMED_IN_XML = ("amp", "lt", "gt", "quot", "apos")
NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class _Tokens(HTMLParser):
    """Where each token of a file starts, and what it is."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=False)
        self.lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self.found: list[tuple[int, str, str]] = []
        self.feed(text)
        self.close()

    def _add(self, kind: str, name: str = "") -> None:
        line, column = self.getpos()
        self.found.append((self.lines[line - 1] + column, kind, name))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        kept = dict(attrs).get("translate") == "no" or "notranslate" in (
            dict(attrs).get("class") or ""
        )
        self._add("kept" if kept else "start", tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._add("single", tag)

    def handle_endtag(self, tag: str) -> None:
        self._add("end", tag)

    def handle_data(self, data: str) -> None:
        self._add("data")

    def handle_entityref(self, name: str) -> None:
        self._add("entity")

    def handle_charref(self, name: str) -> None:
        self._add("entity")

    def handle_comment(self, data: str) -> None:
        self._add("other")

    def handle_decl(self, decl: str) -> None:
        self._add("other")

    def handle_pi(self, data: str) -> None:
        self._add("other")

    def unknown_decl(self, data: str) -> None:
        self._add("other")


def parse_html(text: str) -> Marked:
    """Finds the text of an HTML file, well-formed or not.

    A block is what stands between tags that are not inline. Attributes, comments, scripts, styles,
    `pre`, and elements with `translate="no"` are left alone.

    Args:
        text: str, the file.
    """
    return marked(text, _blocks(text), lambda words, block: as_markup(words, block.raw))


def _blocks(text: str) -> Iterator[tuple[int, int, str]]:
    tokens = _Tokens(text).found
    ends = [start for start, _, _ in tokens[1:]] + [len(text)] * bool(tokens)
    run: list[tuple[int, int, str]] = []
    closing, depth, before = "", 0, 0  # what is left alone, how deep we are, the run before it
    for (start, kind, name), end in zip(tokens, ends, strict=True):
        inline = name in INLINE
        if closing:
            depth += {"start": 1, "kept": 1, "end": -1}.get(kind, 0) if name == closing else 0
            if closing in INLINE:
                run.append((start, end, "tag"))
            closing = closing if depth else ""
        elif name not in VOID and (kind == "kept" or kind == "start" and name in VERBATIM):
            closing, depth, before = name, 1, len(run)
            if inline:
                run.append((start, end, "tag"))
            else:
                yield from _block(text, run)
                run = []
        elif kind in ("data", "entity") or inline:
            run.append((start, end, kind))
        else:
            yield from _block(text, run)
            run = []
    yield from _block(text, run[:before] if closing else run)


def _block(text: str, run: list[tuple[int, int, str]]) -> Iterator[tuple[int, int, str]]:
    if not run:
        return
    first, last = run[0][0], run[-1][1]
    start, end = inner(text[first:last])
    start, end = first + start, first + end
    parts = []
    for a, b, kind in run:
        a, b = max(a, start), min(b, end)
        if a < b:
            parts.append(_read(text[a:b], text[b:end]) if kind == "entity" else text[a:b])
    yield start, end, re.sub(r"[ \t\r\n\f]+", " ", "".join(parts))


def _read(entity: str, after: str) -> str:
    """The character of an entity; of < and > the entity itself, and of & before one."""
    character = html.unescape(entity)
    if character in "<>" or character == "&" and ENTITY.match(after) or not character.isprintable():
        return entity if character != "\u00a0" else character
    return character


def read_entities(text: str) -> str:
    """Text as a person reads it; tags in it stay as they are written."""
    return TAG_OR_ENTITY.sub(
        lambda match: (
            match.group()
            if match.group().startswith(("<", "{"))
            else _read(match.group(), text[match.end() : match.end() + 40])
        ),
        text,
    )


def as_xml(text: str, raw: str = "") -> str:
    """As `as_markup`, where XML knows five entities and has no control characters."""
    return ANY_ENTITY.sub(_of_xml, as_markup(NO_XML.sub("", text), raw))


def _of_xml(match: re.Match[str]) -> str:
    entity = match.group()
    number = re.fullmatch(r"&#(?:(\d{1,7})|x([\da-fA-F]{1,6}));", entity)
    if number:
        code = int(number[1]) if number[1] else int(number[2], 16)
        known = 0 < code <= 0x10FFFF and not NO_XML.match(chr(code))
    else:
        known = entity[1:-1] in NAMED_IN_XML
    return entity if known else f"&amp;{entity[1:]}"


def as_markup(text: str, raw: str = "") -> str:
    """A translation as it is written between tags.

    Args:
        text: str; signs of markup in it become entities, but for tags of `raw`.
        raw: str, what it takes the place of. Tags that would no longer nest as they do there go to
            the ends, where they enclose nothing.
    """
    wanted = [match for match in TAG.finditer(raw)]
    left = Counter(match.group() for match in wanted)
    parts, kept, place = [], [], 0
    for match in TAG.finditer(text):
        if left[match.group()]:
            left[match.group()] -= 1
            parts += [_escaped(text[place : match.start()]), match.group()]
            kept.append(match)
            place = match.end()
    parts.append(_escaped(text[place:]))
    if not left.total() and _unclosed(kept) == _unclosed(wanted):
        return "".join(parts)
    rest = _unclosed(wanted)
    closing = [tag for tag in rest if tag.startswith("</")]
    others = [tag for tag in rest if not tag.startswith("</")]
    return "".join([*closing, *parts[::2], *others, *filter(_is_void, map(_whole, wanted))])


def _escaped(text: str) -> str:
    return BARE_AMPERSAND.sub("&amp;", text).replace("<", "&lt;")


def _whole(match: re.Match[str]) -> str:
    return match.group()


def _is_void(tag: str) -> bool:
    """Whether a tag has no end: <br>, <text:s/>."""
    return tag.endswith("/>") or tag[1:-1].split()[0].casefold() in VOID


def _unclosed(tags: Sequence[re.Match[str]]) -> list[str]:
    """What is left of tags when each that is closed is taken out with its end."""
    stack: list[tuple[str, str]] = []  # name, and the tag
    for match in tags:
        tag, name = match.group(), (match.group(1) or "").casefold()
        if _is_void(tag):
            continue
        opener = stack[-1] if stack else ("", "</")
        if tag.startswith("</") and opener[0] == name and not opener[1].startswith("</"):
            stack.pop()
        else:
            stack.append((name, tag))
    return [tag for _, tag in stack]

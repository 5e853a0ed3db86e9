"""XLIFF 1.2 and 2: a target that is missing or empty is made of its source."""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from xml.parsers import expat

from s2s_zoo.data.text.formats.hypertext import as_xml, read_entities
from s2s_zoo.data.text.formats.marked import TAG, Block, Marked, inner, marked
from s2s_zoo.protocol.errors import DataError

TOKEN = re.compile(
    r"<!--.*?-->|<!\[CDATA\[(?P<cdata>.*?)\]\]>|<\?.*?\?>|<![^>]*>"
    r"|<(?P<slash>/?)(?P<prefix>[\w.-]+:)?(?P<name>[\w.-]+)"
    r"(?P<attributes>(?:\"[^\"]*\"|'[^']*'|[^<>\"'/]|/(?!>))*+)(?P<empty>/?)>",
    re.DOTALL,
)
ATTRIBUTE = re.compile(r"([\w:.-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
UNITS = ("trans-unit", "segment")
CODED = ("ph", "bpt", "ept", "it")  # what is in them is code
UNTRANSLATED = ("new", "needs-translation", "initial")
DONE = {"trans-unit": "needs-review-translation", "segment": "translated"}
ESCAPED_TAG = re.compile(r"&lt;((?:/?[A-Za-z])(?:(?!&lt;|&gt;)[^<>]){0,500}?)&gt;")


@dataclass(frozen=True)
class _Element:
    """An element of a unit: its start tag, and where it and what is in it start and end."""

    tag: re.Match[str]
    inner_start: int
    inner_end: int
    end: int


def parse_xliff(text: str, retranslate: bool = False) -> Marked:
    """Finds the sources of an XLIFF file that have no target yet.

    A target whose state is "new", "needs-translation" or "initial" is none yet; its state becomes
    "needs-review-translation" (1.2) or "translated" (2), the former also where there was no state
    and a person should look at a translation. Inline elements, notes, alternatives and what has
    translate="no" stay.

    Args:
        text: str, the file.
        retranslate: bool, translate what has a target too, unless it is approved or final.

    Raises:
        DataError: for what is not well-formed, declares entities, or is no XLIFF.
    """
    _check(text)
    return replace(marked(text, _blocks(text, retranslate), _translated), mark=_for_review)


def _check(text: str) -> None:
    parser = expat.ParserCreate("utf-8")

    def doctype(name: str, system: str | None, public: str | None, subset: bool) -> None:
        if subset:
            raise DataError(
                "The XLIFF file declares entities, which are never looked up. Remove its DOCTYPE."
            )

    def root(name: str, attributes: dict[str, str]) -> None:
        parser.StartElementHandler = None
        if name.rpartition(":")[2] != "xliff":
            raise DataError(f"An XLIFF file starts with <xliff>. Received: <{name:.40}>.")

    parser.StartDoctypeDeclHandler = doctype
    parser.StartElementHandler = root
    try:
        parser.Parse(text.encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        raise DataError(
            f"Line {error.lineno} of the XLIFF file: {expat.ErrorString(error.code)}. It is not "
            "well-formed; mend it, or export it again."
        ) from error


def _blocks(text: str, retranslate: bool) -> Iterator[tuple[int, int, str]]:
    opened: list[tuple[re.Match[str], bool, bool]] = []  # with: translate, keep white space
    for match in TOKEN.finditer(text):
        if not match["name"]:
            continue
        if match["slash"]:
            start, translate, preserve = opened.pop()
            if start["name"] in UNITS and translate:
                yield from _unit(text, start, match.start(), preserve, retranslate)
        elif not match["empty"]:
            own = _attributes(match)
            _, translate, preserve = opened[-1] if opened else (None, True, False)
            opened.append(
                (
                    match,
                    own["translate"] == "yes" if "translate" in own else translate,
                    own["xml:space"] == "preserve" if "xml:space" in own else preserve,
                )
            )


def _attributes(tag: re.Match[str]) -> dict[str, str]:
    return {name: a or b for name, a, b in ATTRIBUTE.findall(tag["attributes"])}


def _unit(
    text: str, start: re.Match[str], end: int, preserve: bool, retranslate: bool
) -> Iterator[tuple[int, int, str]]:
    raw = text[start.start() : end]
    unit = _children(raw)
    source, target = _source(unit), unit.get("target")
    if source is None or target and not _is_open(raw, start, target, retranslate):
        return
    preserve = _attributes(source.tag).get("xml:space", "preserve" * preserve) == "preserve"
    compact, _ = _compact(raw[source.inner_start : source.inner_end])
    left, right = inner(compact)
    words = compact[left:right] if preserve else re.sub(r"\s+", " ", compact[left:right])
    last = max(element.end for element in unit.values())
    yield start.start(), start.start() + last, read_entities(words)


def _is_open(raw: str, start: re.Match[str], target: _Element, retranslate: bool) -> bool:
    """Whether a unit with a target is to be translated."""
    unit = _attributes(start)
    if unit.get("approved") == "yes" or unit.get("state") == "final":
        return False
    state = _attributes(target.tag).get("state", unit.get("state"))
    written = raw[target.inner_start : target.inner_end].strip()
    return retranslate or not written or state in UNTRANSLATED


def _source(unit: dict[str, _Element]) -> _Element | None:
    return unit.get("seg-source") or unit.get("source")


def _children(raw: str) -> dict[str, _Element]:
    """The elements right in a unit, by their names."""
    found: dict[str, _Element] = {}
    opened: list[re.Match[str]] = []
    for match in TOKEN.finditer(raw):
        if not match["name"]:
            continue
        tag = opened.pop() if match["slash"] else match
        if not match["slash"] and not match["empty"]:
            opened.append(match)
        elif len(opened) == 1 and tag["name"] in ("source", "seg-source", "target"):
            found.setdefault(
                tag["name"], _Element(tag, tag.end(), max(match.start(), tag.end()), match.end())
            )
    return found


def _compact(markup: str) -> tuple[str, dict[str, list[str]]]:
    """Markup with short tags, and {tag: what it stands for, one after the other}.

    An element that holds code is one empty tag, an escaped tag, &lt;b&gt;, a plain one.
    """
    parts: list[str] = []
    meant: dict[str, list[str]] = {}

    def stand(tag: str, whole: str) -> None:
        tag = re.sub(r"\s+", " ", tag)
        parts.append(tag)
        meant.setdefault(tag, []).append(whole)

    def words(text: str) -> None:
        place = 0
        for match in ESCAPED_TAG.finditer(text):
            if TAG.fullmatch(tag := f"<{html.unescape(match[1])}>"):
                parts.append(text[place : match.start()])
                stand(tag, match.group())
                place = match.end()
        parts.append(text[place:])

    place, code, depth = 0, None, 0
    for match in TOKEN.finditer(markup):
        if code is not None:
            if match["name"] and not match["empty"]:
                depth += -1 if match["slash"] else 1
            if not depth:
                tag = f"<{code['prefix'] or ''}{code['name']}{code['attributes']}/>"
                stand(tag, markup[code.start() : match.end()])
                code, place = None, match.end()
            continue
        words(markup[place : match.start()])
        place = match.end()
        if match["cdata"] is not None:
            words(html.escape(match["cdata"], quote=False))
        elif match["name"] and not match["empty"] and _is_code(match):
            code, depth = match, 1
        elif match["name"]:
            stand(match.group(), match.group())
    words(markup[place:])
    return "".join(parts), meant


def _is_code(tag: re.Match[str]) -> bool:
    kept = tag["name"] == "mrk" and _attributes(tag).get("mtype") == "protected"
    return not tag["slash"] and (tag["name"] in CODED or kept)


def _translated(text: str, block: Block) -> str:
    """A unit up to its target, which holds a translation."""
    raw = block.raw
    unit = _children(raw)
    start, source, target = TOKEN.match(raw), _source(unit), unit.get("target")
    if start is None or source is None:
        return raw
    compact, meant = _compact(raw[source.inner_start : source.inner_end])
    left, right = inner(compact)
    escaped = {tag for tag, wholes in meant.items() if all(w.startswith("&lt;") for w in wholes)}

    def restored(markup: str, tags: Collection[str]) -> str:
        return TAG.sub(
            lambda tag: _next(meant, tag.group()) if tag.group() in tags else tag.group(), markup
        )

    nesting = "".join(tag.group() for tag in TAG.finditer(compact[left:right]))
    nesting = TAG.sub(lambda tag: "" if tag.group() in escaped else tag.group(), nesting)
    before = restored(compact[:left], meant)
    words = restored(as_xml(restored(text, escaped), nesting), meant.keys() - escaped)
    written = f"{before}{words}{restored(compact[right:], meant)}"
    prefix = source.tag["prefix"] or ""
    if target is None:
        first = unit["source"].tag.start()
        space = raw[len(raw[:first].rstrip()) : first]
        new = f"{space}<{prefix}target>{written}</{prefix}target>"
        raw = f"{raw[: source.end]}{new}{raw[source.end :]}"
    else:
        tag = _done(target.tag.group()[: -1 - len(target.tag["empty"])].rstrip(), "trans-unit")
        new = f"{tag}>{written}</{target.tag['prefix'] or ''}target>"
        raw = f"{raw[: target.tag.start()]}{new}{raw[target.end :]}"
    if start["name"] == "segment":
        return f"{_done(start.group(), 'segment')}{raw[start.end() :]}"
    return raw


def _next(meant: dict[str, list[str]], tag: str) -> str:
    left = meant.get(tag)
    return left.pop(0) if left else tag


def _done(tag: str, unit: str) -> str:
    """A start tag whose state, where it has one, says that there is a translation."""
    return re.sub(
        rf"(\sstate\s*=\s*[\"'])(?:{'|'.join(UNTRANSLATED)})(?=[\"'])",
        lambda state: f"{state[1]}{DONE[unit]}",
        tag,
    )


def _for_review(file: str, places: list[int]) -> str:
    """A file whose targets of the units at places have a state, where 1.2 has it."""
    parts, end = [], 0
    for place in places:
        unit = TOKEN.match(file, place)
        if unit and unit["name"] == "trans-unit":
            close = file.index(f"</{unit['prefix'] or ''}trans-unit", place)
            target = _children(file[place:close])["target"].tag
            if "state" not in _attributes(target):
                cut = place + target.end("attributes")
                parts += [file[end:cut], f' state="{DONE["trans-unit"]}"']
                end = cut
    return "".join([*parts, file[end:]])

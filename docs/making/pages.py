"""Puts together what the site is made of: docs, cards, recipes, the API from docstrings."""

import importlib
import os
import re
import shutil
from pathlib import Path

import s2s_zoo

ROOT = Path(__file__).parent.parent.parent
BUNDLED = ROOT / "s2s_zoo" / "checkpoints" / "bundled"
CODE = {".py": "python", ".sh": "bash", ".json": "json", ".yaml": "yaml"}
LINK = re.compile(r"(?<=\]\()[^)\s]+(?=\))")
FENCE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)
BESIDE = re.compile(
    r"<table><tr><th>before</th><th>after</th></tr><tr><td>\n(.*?)\n</td><td>\n(.*?)\n"
    r"</td></tr></table>",
    re.DOTALL,
)
# What a page of the API is called, and the rooms of the names that are on it.
API = {
    "pipelines": ("Pipelines", ["pipeline", "apps"]),
    "models": ("Models and presets", ["model"]),
    "encoders": ("Encoders", ["encoders", "layers"]),
    "decoders": ("Decoders", ["decoders"]),
    "attention": ("Attentions", ["attention"]),
    "search": ("Search", ["generation"]),
    "training": ("Training", ["training"]),
    "data": ("Data", ["data"]),
    "checkpoints": ("Checkpoints", ["checkpoints"]),
    "errors": ("Errors and special ids", ["protocol"]),
}


def sources():
    """Where each page of the site is from: dict of Path in the repository to place in the site."""
    docs = ROOT / "docs"
    written = (path for path in docs.rglob("*.md") if docs / "build" not in path.parents)
    found = {path: path.relative_to(docs).as_posix() for path in written}
    found[docs / "examples" / "README.md"] = "examples.md"
    found[ROOT / "benchmarks" / "README.md"] = "benchmarks.md"
    found[ROOT / "CHANGELOG.md"] = "changelog.md"
    found[ROOT / "CONTRIBUTING.md"] = "contributing.md"
    for path in (ROOT / "recipes").rglob("README.md"):
        found[path] = f"recipes/{path.parent.name}.md"
    for path in BUNDLED.glob("*/README.md"):
        found[path] = f"cards/{path.parent.name}.md"
    return found


def write(folder):
    """Writes all pages, and what they show and link to, into an empty folder."""
    pages = sources()
    for path, place in pages.items():
        text = path.read_text(encoding="utf-8")
        _put(folder, place, _linked(_as_tabs(_without_meta(text)), path, place, pages, folder))
    for name, text in api().items():
        _put(folder, f"api/{name}.md", text)


def api():
    """The pages of the API: dict of a name to Markdown that mkdocstrings reads.

    Every name of the front door is on one of them, and every name of a room's `__all__`.
    """
    texts = {name: [f"# {title}"] for name, (title, _) in API.items()}
    of_room = {room: name for name, (_, rooms) in API.items() for room in rooms}
    modules = {place: short for short, place in s2s_zoo._SHORT.items()}
    said = set()
    for name, place in s2s_zoo._NAMES.items():
        if place not in modules and not name.isupper():
            said.add(name)
            target = f"s2s_zoo.{place}.{name}"
            texts[of_room[place.split(".")[0]]].append(_object(target, f"s2s_zoo.{name}"))
    for room in s2s_zoo._ROOMS:
        loaded = importlib.import_module(f"s2s_zoo.{room}")
        for name in getattr(loaded, "__all__", ()):
            value = getattr(loaded, name)
            if name in said or not callable(value) or _in_short(value, modules):
                continue
            target = f"{value.__module__}.{name}"
            texts[of_room[room]].append(_object(target, f"s2s_zoo.{room}.{name}"))
    for place, short in modules.items():
        also = [f"`s2s_zoo.{name}`" for name, of in s2s_zoo._NAMES.items() if of == place]
        text = f"## s2s_zoo.{short}\n\n::: s2s_zoo.{place}\n    options:\n"
        text += "      show_root_heading: false"
        if also:
            text += f"\n\nFrom the front door too: {', '.join(also)}."
        texts[of_room[place.split(".")[0]]].append(text)
    ids = [name for name, place in s2s_zoo._NAMES.items() if place == "protocol"]
    table = "".join(f"| `s2s_zoo.{name}` | {getattr(s2s_zoo, name)} |\n" for name in ids)
    texts["errors"].append("## The special ids\n\n| name | id |\n|---|---|\n" + table)
    return {name: "\n\n".join(text) + "\n" for name, text in texts.items()}


def _in_short(value, modules):
    return value.__module__.removeprefix("s2s_zoo.") in modules


def _object(target, heading):
    return f"::: {target}\n    options:\n      heading: {heading}"


def _put(folder, place, text):
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _without_meta(text):
    """A card without its YAML, which the Hub reads."""
    return text.split("---\n", 2)[2] if text.startswith("---\n") else text


def _as_tabs(text):
    """Two cells with code, before and after, as tabs: a table of code is too wide for a phone."""

    def tab(name, block):
        lines = block.strip("\n").split("\n")
        return f'=== "{name}"\n\n' + "\n".join(f"    {line}" if line else "" for line in lines)

    return BESIDE.sub(lambda m: f"{tab('Before', m[1])}\n\n{tab('After', m[2])}", text)


def _linked(text, path, place, pages, folder):
    """The text with its links as they are in the site; what they name is copied there.

    Raises:
        FileNotFoundError: for a link to what is not in the repository.
    """

    def link(match):
        target, _, part = match[0].partition("#")
        if not target or ":" in target:
            return match[0]
        found = (path.parent / target).resolve()
        if found.is_dir():
            found /= "README.md"
        if found == ROOT / "README.md":
            found = ROOT / "docs" / "index.md"
        if not found.exists():
            raise FileNotFoundError(f"{path}: the link {match[0]} names no file of the repository.")
        if found in pages:
            where = pages[found]
        else:
            where = _copied(found, folder)
        near = os.path.relpath(where, Path(place).parent).replace(os.sep, "/")
        return near + (f"#{part}" if part else "")

    pieces = FENCE.split(text)  # code is at the odd places
    pieces[::2] = [LINK.sub(link, piece) for piece in pieces[::2]]
    return "".join(pieces)


def _copied(path, folder):
    """The place in the site of a file that is no page: code becomes one."""
    inside = path.relative_to(ROOT)
    if path.suffix in CODE:
        where = f"code/{inside.as_posix()}.md"
        code = path.read_text(encoding="utf-8")
        _put(folder, where, f"# {inside.as_posix()}\n\n````{CODE[path.suffix]}\n{code}````\n")
        return where
    where = inside.as_posix().removeprefix("docs/")
    (folder / where).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, folder / where)
    return where

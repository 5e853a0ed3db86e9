"""Captions of folders as tables and pages, and alternative texts for pages."""

import base64
import csv
import html
import io
import json
import os
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from s2s_zoo.apps.cli import caption as command
from s2s_zoo.apps.cli.alt_text import Page
from s2s_zoo.apps.cli.listed import Captioned, as_csv, as_html, as_json
from s2s_zoo.apps.cli.main import main
from s2s_zoo.data.images import read_image
from s2s_zoo.protocol.errors import DataError

ROWS = [
    Captioned("a b&.png", 'a "red" square', 0.75, True, 'a "red" square'),
    Captioned("dir/=c,d.png", "a <dog>", 0.125, False, "perhaps: a <dog>"),
]


class Captioner:
    """Stands for a pipeline: says how wide an image is, and is sure of what is over 40 wide."""

    languages = ("en",)

    def __init__(self):
        self.processor = self
        self.read = []

    def collect(self, source):
        if os.path.isdir(source):
            return sorted(Path(source).iterdir()), False
        return [source], True

    def encode_source(self, sources):
        self.read += sources
        return [np.zeros(read_image(source).size) for source in sources]

    def __call__(self, pixels, progress=False, **options):
        texts = [f"{len(x)} wide & <bright>" for x in pixels]
        count = options.get("num_return", 1)
        return [[f"{text} {i}" for i in range(count)] for text in texts] if count > 1 else texts

    def score(self, pixels, texts, return_lengths):
        return np.log([0.25 if len(x) > 40 else 0.04 for x in pixels]), np.full(len(pixels), 2)


@pytest.fixture
def captioner(monkeypatch):
    made = Captioner()
    monkeypatch.setattr(command, "load", lambda name: made)
    monkeypatch.setattr(command, "check_search", lambda *_: None)
    return made


@pytest.fixture
def folder(tmp_path):
    from PIL import Image

    for name, width in (("wide.png", 50), ("narrow.png", 30), ("größe 2.png", 60)):
        Image.new("RGB", (width, 20), "red").save(tmp_path / name)
    return tmp_path


def run(*arguments):
    return main(["caption", "--model", "any", *map(str, arguments)])


def test_rows_as_a_table():
    text = "".join(as_csv(ROWS, Path()))
    assert list(csv.reader(io.StringIO(text))) == [
        ["file", "caption", "score", "sure"],
        ["a b&.png", 'a "red" square', "0.750", "yes"],
        ["dir/=c,d.png", "a <dog>", "0.125", "no"],
    ]


def test_rows_as_json():
    found = json.loads("".join(as_json(ROWS, Path())))
    assert found[1] == {"file": "dir/=c,d.png", "caption": "a <dog>", "score": 0.125, "sure": False}
    assert len(found) == 2 and json.loads("".join(as_json([], Path()))) == []


def test_rows_as_a_page():
    page = "".join(as_html(ROWS, Path("dir")))
    assert '<img src="../a%20b%26.png" alt="a &quot;red&quot; square"' in page
    assert '<figure class="unsure"><img src="%3Dc%2Cd.png" alt="perhaps: a &lt;dog&gt;"' in page
    assert ">perhaps: a &lt;dog&gt;</figcaption>" in page


def test_a_folder_in_every_format(captioner, folder, tmp_path, capsys):
    assert run(folder, "--format", "csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(Path(row["file"]).name, row["score"], row["sure"]) for row in rows] == [
        ("größe 2.png", "0.500", "yes"),
        ("narrow.png", "0.200", "no"),
        ("wide.png", "0.500", "yes"),
    ]
    assert rows[1]["caption"] == "30 wide & <bright>"  # a program reads the caption as it is
    assert run(folder, "--format", "json", "--unsure-below", "0.6") == 0
    assert not any(row["sure"] for row in json.loads(capsys.readouterr().out))
    page = tmp_path / "list.html"
    assert run(*folder.glob("*.png"), "--format", "html", "--output", page) == 0
    text = page.read_text(encoding="utf-8")
    assert 'src="gr%C3%B6%C3%9Fe%202.png" alt="60 wide' in text
    assert 'alt="perhaps: 30 wide &amp; &lt;bright&gt;"' in text
    assert not list(tmp_path.glob("*.part"))


def test_several_captions_of_each(captioner, folder, capsys):
    assert run(folder / "wide.png", folder / "narrow.png", "--num-return", "2") == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [text for _, text in lines] == [
        *("50 wide & <bright> 0", "50 wide & <bright> 1"),
        *("30 wide & <bright> 0", "30 wide & <bright> 1"),
    ]
    assert run(folder, "--num-return", "2", "--format", "json") == 0
    assert [row["sure"] for row in json.loads(capsys.readouterr().out)] == [
        *(True, True),
        *(False, False),
        *(True, True),
    ]


def test_a_folder_without_a_readable_image_is_an_empty_table(captioner, folder, capsys):
    assert run(folder / "gone.png", folder / "gone2.png", "--format", "json") == 1
    assert json.loads(capsys.readouterr().out) == []


def test_what_cannot_be_read_is_left_out_of_the_table(captioner, folder, capsys):
    (folder / "loop.png").symlink_to(folder / "loop.png")
    (folder / "none.png").write_bytes(b"no image")
    (folder / "twice.png").symlink_to(folder / "wide.png")
    assert run(folder, "--format", "json") == 1
    said = capsys.readouterr()
    assert len(json.loads(said.out)) == 4
    assert "2 of 6 images could not be captioned: loop.png, none.png" in said.err


class Alts(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.found.append(dict(attrs).get("alt"))


def page_of(folder, text, name="page.html"):
    data = text if isinstance(text, bytes) else text.encode()
    (folder / name).write_bytes(data)
    return folder / name, folder / f"out-{name}"


def test_images_without_alt_get_one_and_nothing_else_changes(captioner, folder, capsys):
    whole = base64.b64encode((folder / "wide.png").read_bytes()).decode()
    images = [
        '<img src="wide.png">',
        "<IMG\n  class=x SRC=narrow.png />",
        '<img src="gr&ouml;%C3%9Fe%202.png?v=3#top">',
        '<img alt="" src="wide.png"><img alt src="wide.png"><img ALT=\'here\' src="wide.png">',
        '<img srcset="narrow.png 1x, wide.png 2x">',
        f'<img src="data:image/png;base64,{whole}">',
        '<img src="data:image/gif;base64,R0lGOD" data-src="/narrow.png">',
        '<img src="wide.png" role="presentation"><img aria-hidden="true" src="wide.png">',
    ]
    others = (
        '<!doctype html>\r\n<!-- <img src=wide.png> --><p title="<img>">x &lt;img&gt; &amp é\r\n'
        "<script>'<img src=wide.png>'</script><textarea><img src=wide.png></textarea>\n\t"
    )
    page, output = page_of(folder, others + "\n<br>".join(images) + "<p>open <b")
    before = page.read_bytes()
    assert run("--alt", page, "--output", output) == 0
    assert "6 of 6 images" in capsys.readouterr().err
    after = output.read_bytes()
    assert page.read_bytes() == before
    texts = ["50 wide", "perhaps: 30 wide", "60 wide", "perhaps: 30 wide", "50 wide"]
    texts = [f"{text} & <bright>" for text in [*texts, "perhaps: 30 wide"]]
    places = [text for text in Alts(after.decode()).found if text and "wide" in text]
    assert places == texts
    for text in set(texts):
        after = after.replace(f' alt="{html.escape(text)}"'.encode(), b"")
    assert after == before
    assert len(captioner.read) == 5  # narrow.png by two addresses is two of them


def test_what_cannot_be_had_is_named_and_the_rest_is_written(captioner, folder, capsys):
    sources = ["none.png", "http://127.0.0.1:1/a.png", "//x/b.png", "data:nonsense", "blob:1", ""]
    text = "".join(f'<img src="{source}">' for source in sources) + '<img><img src="wide.png">'
    page, output = page_of(folder, text)
    assert run("--alt", page, "--output", output) == 1
    said = capsys.readouterr().err
    for part in ("none.png cannot be read", "Use --fetch", "data URL without data", "blob:1 is no"):
        assert part in said
    assert "has no src" in said and "7 of 8 images could not be captioned" in said
    assert output.read_bytes().startswith(text.encode()[: text.rindex("<img src")])
    assert output.read_bytes().endswith(b'<img alt="50 wide &amp; &lt;bright&gt;" src="wide.png">')


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"\xef\xbb\xbf<p>\xc3\xa4<img src=wide.png>", "utf-8"),
        (b"<meta charset=iso-8859-2><p>\xb1<img src=wide.png>", "iso-8859-2"),
        (b"<meta charset=nonsense><p>\xb1\x81<img src=wide.png>", "latin-1"),
        (b"<p>\x93quoted\x94<img src=wide.png>", "cp1252"),
    ],
)
def test_pages_of_every_encoding_keep_their_bytes(data, encoding, folder):
    page = Page(data, folder)
    assert page.encoding == encoding
    (image,) = page.images
    assert page.with_texts({}) == data
    said = page.with_texts({image.place: "caf\u00e9 \u4e2d"})
    before, after = data.split(b"<img")
    assert said.startswith(before + b"<img alt=") and said.endswith(after)
    assert "caf\u00e9 \u4e2d" in html.unescape(said.decode(encoding))


def test_where_addresses_begin(folder):
    page = Page(b'<base href="images/"><img src="a.png"><img src="../b.png">', folder)
    found = [page.source(image, False) for image in page.images]
    assert found == [folder / "images/a.png", folder / "b.png"]
    page = Page(b'<base href="https://example.org/"><img src="a.png">', folder)
    assert page.source(page.images[0], True) == "https://example.org/a.png"
    page = Page(b"<img src=//example.org/a.png><img src='http://[x/'>", folder)
    assert page.source(page.images[0], True) == "https://example.org/a.png"
    with pytest.raises(DataError, match="is no address"):
        page.source(page.images[1], True)
    with pytest.raises(DataError, match="UTF-16"):
        Page("<img>".encode("utf-16"), folder)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "either images or --alt"),
        (["wide.png", "--alt", "page.html"], "either images or --alt"),
        (["--alt", "page.html"], "--alt needs --output"),
        (["--alt", "page.html", "--output", "./page.html"], "never changed"),
        (["--alt", "page.html", "--output", "wide.png"], "is an image of the page"),
        (["--alt", "page.html", "--output", "x", "--format", "csv"], "leave --plot and --format"),
        (["wide.png", "--output", "x"], "--output is for"),
        (["wide.png", "--plot", "x.png", "--num-return", "2"], "several captions"),
        (["wide.png", "--format", "csv", "--output", "wide.png"], "one of the images"),
        (["wide.png", "--format", "csv", "--fetch"], "--fetch is for --alt"),
        (["wide.png", "--unsure-below", "2"], "from 0 to 1"),
        (["wide.png", "--question", "Why?"], "a checkpoint that reads one"),
    ],
)
def test_what_does_not_go_together_is_said(
    arguments, message, captioner, folder, capsys, monkeypatch
):
    monkeypatch.chdir(folder)
    page_of(folder, "<img src=wide.png>")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(SystemExit) as error:
        run(*arguments)
    assert error.value.code == 2
    assert message in capsys.readouterr().err
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_page_that_is_none_is_one_line(captioner, folder, capsys):
    assert run("--alt", folder / "gone.html", "--output", folder / "out.html") == 1
    assert "gone.html cannot be read" in capsys.readouterr().err
    page, _ = page_of(folder, "<img src=wide.png>")
    assert run("--alt", page, "--output", folder / "no" / "out.html") == 1
    assert "out.html cannot be written" in capsys.readouterr().err

"""What docs/making puts together: every name, every page, the pictures, the notebooks."""

import ast
import runpy
import shutil
import sys
import tomllib
from pathlib import Path

import pytest
from s2s_zoo.presets import PRESETS

import s2s_zoo

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
MAKING = DOCS / "making"


@pytest.fixture(scope="module", autouse=True)
def making():
    """Its modules import one another by their last names."""
    sys.path.insert(0, str(MAKING))
    yield
    sys.path.remove(str(MAKING))


@pytest.fixture(scope="module")
def api():
    from pages import api

    return api()


def test_every_public_name_is_in_the_api(api):
    text = "".join(api.values())
    names = set(s2s_zoo.__all__) - {"__version__", *s2s_zoo._ROOMS}
    assert [name for name in sorted(names) if f"s2s_zoo.{name}" not in text] == []


def test_pages_and_navigation_have_the_same_pages(api):
    from pages import sources

    config = tomllib.loads((ROOT / "docs" / "zensical.toml").read_text(encoding="utf-8"))["project"]

    def places(entries):
        for entry in entries:
            for value in entry.values():
                yield from [value] if isinstance(value, str) else places(value)

    notebooks = {f"notebooks/{path.stem}.md" for path in (DOCS / "notebooks").glob("*.py")}
    from notebooks import PROGRAMS

    notebooks |= {f"notebooks/{name}.md" for name in PROGRAMS}
    made = {*sources().values(), *(f"api/{name}.md" for name in api), *notebooks}
    named = list(places(config["nav"]))
    assert sorted(named) == sorted(made)


def test_a_site_that_is_there_is_no_page_of_the_next(tmp_path, monkeypatch):
    import pages

    for name in ("start.md", "build/pages/start.md"):
        path = tmp_path / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("# x", encoding="utf-8")
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    assert tmp_path / "docs" / "start.md" in pages.sources()
    assert tmp_path / "docs" / "build" / "pages" / "start.md" not in pages.sources()


def test_what_a_cell_prints_is_one_block_and_its_errors_are_none(tmp_path):
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
    from notebooks import page

    said = [("stdout", "a\n"), ("stderr", "no\n"), ("stdout", "b\n")]
    outputs = [new_output("stream", name=name, text=text) for name, text in said]
    cells = [new_markdown_cell("# x"), new_code_cell("print()", outputs=outputs)]
    assert "```text\na\nb\n```" in page("x", new_notebook(cells=cells), tmp_path)


def test_tables_are_as_the_code_and_its_tests_have_them():
    from tables import PAGES, written

    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert text == written(text), "python docs/making/tables.py"


def test_what_no_test_compares_is_an_error(tmp_path, monkeypatch):
    import tables

    for name in ("conftest.py", "test_parity.py", "test_blip.py"):
        shutil.copy(tables.TESTS / name, tmp_path)
    monkeypatch.setattr(tables, "TESTS", tmp_path)
    with pytest.raises(ValueError, match="No test compares vision-encoder-decoder, whisper, encod"):
        tables.compared()


def test_a_page_shows_what_its_code_gives_back(tmp_path):
    from nbformat.v4 import new_output
    from notebooks import ANSWERED, _as_seen, _shown, of_page

    text = "# x\n\n```python\n1 + 1\n```\n\ny\n\n```bash\nls\n```\n\n```python\nz = 3\n```\n"
    notebook = of_page(text)
    kinds = [cell.cell_type for cell in notebook.cells]
    assert kinds == ["markdown", "code", "markdown", "code"]
    notebook.cells[1].outputs = [new_output("execute_result", data={"text/plain": "2"})]
    shown = "\n\n".join(_shown("x", notebook, tmp_path)) + "\n"
    assert shown == text.replace("1 + 1\n```\n", "1 + 1\n```\n\n```text\n2\n```\n")
    assert _as_seen("Epoch 1/2\n 1/2 ━\x1b[37m━\x1b[0m\r 2/2 ━━ loss: 1\nend") == (
        "Epoch 1/2\n 2/2 ━━ loss: 1\nend"
    )
    assert all((DOCS / place).exists() for place in ANSWERED)


def test_links_name_files_of_the_repository(tmp_path, monkeypatch):
    import pages

    monkeypatch.setattr(pages, "api", dict)
    pages.write(tmp_path)
    text = (tmp_path / "guides" / "leaving-python.md").read_text(encoding="utf-8")
    assert "(../code/recipes/onnx/greedy.py.md)" in text
    assert (tmp_path / "code" / "recipes" / "onnx" / "greedy.py.md").exists()
    assert (tmp_path / "pictures" / "beams.svg").exists()
    assert '=== "Before"' in (tmp_path / "examples.md").read_text(encoding="utf-8")


def test_a_dead_link_is_an_error(tmp_path):
    import pages

    page = DOCS / "start.md"
    with pytest.raises(FileNotFoundError, match=r"start.md: the link nowhere.md names no file"):
        pages._linked("[x](nowhere.md)", page, "start.md", pages.sources(), tmp_path)
    code = "```python\nx[0](nowhere)\n```"
    assert pages._linked(code, page, "start.md", pages.sources(), tmp_path) == code


def test_broken_links_of_a_site_are_found(tmp_path):
    from links import broken

    (tmp_path / "a.html").write_text(
        '<h1 id="here">x</h1><a href="#here">1</a><a href="b.html#top">2</a><a href="c.html">3</a>'
        '<a href="https://example.org">4</a><img src="https://example.org/x.png">'
    )
    (tmp_path / "b.html").write_text("<p>x</p>")
    assert broken(tmp_path) == [
        "a.html: no such place b.html#top",
        "a.html: no c.html",
        "a.html: loads https://example.org/x.png",
    ]


@pytest.mark.parametrize("name", PRESETS)
def test_the_gallery_has_each_preset_as_it_is(name):
    from diagram import diagram

    drawn = (DOCS / "pictures" / f"{name}.svg").read_text(encoding="utf-8")
    assert drawn == diagram(PRESETS[name]["model"]), "python docs/making/pictures.py --presets"
    text = (DOCS / "gallery.md").read_text(encoding="utf-8")
    assert f"### {name}\n" in text and f"(pictures/{name}.svg)" in text


def test_a_diagram_says_what_it_cannot_draw():
    from diagram import diagram

    config = PRESETS["cho-2014"]["model"]
    with pytest.raises(ValueError, match="no drawing of the decoder 'memory'"):
        diagram({**config, "decoder": {**config["decoder"], "name": "memory"}})


@pytest.mark.parametrize("name", ["attention", "captioning", "pointer", "own_attention"])
def test_a_notebook_runs_what_its_program_runs(name):
    """So the test of the programs is one of the notebooks."""
    from notebooks import of_program

    path = DOCS / "examples" / f"{name}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    expected = []
    for part in tree.body[1:]:
        if isinstance(part, ast.FunctionDef) and part.name == "main":
            expected += part.body
        elif not isinstance(part, ast.If):
            expected.append(part)
    cells = [cell.source for cell in of_program(path).cells if cell.cell_type == "code"]
    of_cells = [part for cell in cells for part in ast.parse(cell).body]

    def said(parts):
        parts = [ast.Expr(x.value) if isinstance(x, ast.Return) else x for x in parts]
        return sorted(ast.unparse(part) for part in parts)

    (main,) = (x for x in tree.body if isinstance(x, ast.FunctionDef) and x.name == "main")
    given = zip(main.args.args, main.args.defaults, strict=True)
    defaults = [ast.parse(f"{x.arg} = {ast.unparse(value)}").body[0] for x, value in given]
    assert said([*expected, *defaults]) == said(of_cells)


def test_the_installation_is_said_in_one_place():
    from notebooks import INSTALL, all_of_them

    for notebook in all_of_them().values():
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert code[0].source == INSTALL and notebook.cells[0].source.startswith("# ")
    assert "pip install" not in "".join(p.read_text() for p in (DOCS / "notebooks").glob("*.py"))


@pytest.mark.examples
@pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")
def test_the_notebook_of_a_hub_checkpoint_runs(tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    from tests.checkpoints.pretrained.oracle import make

    make("marian", tmp_path / "opus")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHECKPOINT", str(tmp_path / "opus"))
    runpy.run_path(str(DOCS / "notebooks" / "finetune_hub.py"))
    assert (tmp_path / "my-opus" / "model.safetensors").exists()


@pytest.mark.examples
@pytest.mark.filterwarnings(  # as a reader sees it, of a model that was not trained with symbols
    "ignore:The model lost what must not change; a text was translated in pieces"
    ":s2s_zoo.protocol.errors.TextWarning"
)
def test_the_notebook_of_a_document_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(DOCS / "notebooks" / "translate_document.py"))
    assert '<h1 class="big">' in (tmp_path / "page.en.html").read_text(encoding="utf-8")

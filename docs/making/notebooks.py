"""Notebooks, of text and of the programs in docs/examples: python docs/making/notebooks.py

Pages of docs too, where what their code gives back is to be seen.
"""

import ast
import base64
import os
import re
import tempfile
import textwrap
from pathlib import Path

import jupytext
import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

DOCS = Path(__file__).parent.parent
INSTALL = '%pip install -q "../..[hub,plots]"  # the clone of the repository that this lies in'
SKIPPED = "skip-execution"
PROGRAMS = ("attention", "captioning", "pointer", "own_attention")
ELSEWHERE = ("finetune_hub",)  # downloads; tests/test_notebooks.py runs it on a small checkpoint


ANSWERED = ("start.md", "guides/search.md")  # pages that show what their code gives back
PYTHON = re.compile(r"^```python\n(.*?)\n```$", re.DOTALL | re.MULTILINE)


def all_of_them():
    """The notebooks by name, none of them run."""
    found = {name: of_program(DOCS / "examples" / f"{name}.py") for name in PROGRAMS}
    for path in sorted((DOCS / "notebooks").glob("*.py")):
        found[path.stem] = jupytext.read(path, fmt="py:percent")
    for name, notebook in found.items():
        install = new_code_cell(INSTALL, id="install", metadata={"tags": [SKIPPED]})
        notebook.cells.insert(1, install)
        notebook.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        for i, cell in enumerate(notebook.cells):
            cell.id = f"{name.replace('_', '-')}-{i}"
    return found


def of_program(path):
    """A program as a notebook, in its small setting: what `main` does from top to bottom.

    Imports and what `main` calls come first, then its statements, a cell for each paragraph; what
    `main` gives back, lists for tests, is not shown.
    """
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    lines = text.splitlines()
    (main,) = (x for x in tree.body if isinstance(x, ast.FunctionDef) and x.name == "main")
    title, *about = ast.get_docstring(tree).split("\n\n")
    about = "\n\n".join(part for part in about if not part.startswith("python "))
    title, _, more = title.partition(": ")
    more = more[:1].upper() + more[1:]
    cells = [new_markdown_cell("\n\n".join(x for x in (f"# {title.strip('.')}", more, about) if x))]
    before, helpers = [], []
    for part in tree.body[1:]:
        if part is main or isinstance(part, ast.If):
            continue
        code = "\n".join(lines[_first(part) - 1 : part.end_lineno])
        (helpers if isinstance(part, ast.FunctionDef | ast.ClassDef) else before).append(code)
    cells.append(new_code_cell("\n".join(before)))
    cells += [new_code_cell(code) for code in helpers]
    given = zip(main.args.args, main.args.defaults, strict=True)
    lines_given = [f"{argument.arg} = {ast.unparse(value)}" for argument, value in given]
    if lines_given:
        lines_given[0] = lines_given[0].replace("'", '"') + "  # or where your own data are"
        cells.append(new_code_cell("\n".join(lines_given)))
    body = "\n".join(lines[main.body[0].lineno - 1 : main.body[-1].end_lineno])
    cells += _paragraphs(textwrap.dedent(body), main)
    return new_notebook(cells=cells)


def _first(part):
    return min([part.lineno, *(x.lineno for x in getattr(part, "decorator_list", []))])


def _paragraphs(code, main):
    """Cells of the statements between blank lines; a comment above one is text."""
    lines = code.split("\n")
    statements = ast.parse("def f():\n" + "\n".join(f" {line}" for line in lines)).body[0].body
    cells, start = [], 0
    for one, other in zip(statements, [*statements[1:], None], strict=True):
        end = one.end_lineno - 1
        if other is None or not all(lines[end : _first(other) - 2]):
            paragraph = "\n".join(lines[start:end]).strip("\n")
            start = end
            while paragraph.startswith("#"):
                comment, _, paragraph = paragraph.partition("\n")
                cells.append(new_markdown_cell(comment.removeprefix("# ")))
            if isinstance(one, ast.Return):
                paragraph = f"{paragraph};".removeprefix("return ").replace("\nreturn ", "\n")
            cells.append(new_code_cell(paragraph))
    return cells


def run(notebook):
    """Runs it in a folder of its own, from top to bottom, without its installation."""
    from nbclient import NotebookClient

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(notebook, timeout=600, kernel_name="python3")
        client.skip_cells_with_tag = SKIPPED
        client.resources = {"metadata": {"path": folder}}
        client.execute()


def page(name, notebook, folder):
    """Markdown of a notebook, its pictures written into a folder."""
    parts = _shown(name, notebook, folder)
    about = f"[This page as a notebook]({name}.ipynb), for the folder docs/notebooks of a clone."
    if name in ELSEWHERE:
        about += " It downloads a checkpoint, so what its cells show is not on this page."
    parts.insert(1, about)
    return "\n\n".join(parts) + "\n"


def answered(path):
    """The Markdown of a page, each block of Python followed by what it gives back."""
    notebook = of_page(path.read_text(encoding="utf-8"))
    run(notebook)
    return "\n\n".join(_shown(path.stem, notebook, path.parent)) + "\n"


def of_page(text):
    """A page as a notebook: its blocks of Python are the cells of code."""
    pieces = [piece.strip("\n") for piece in PYTHON.split(text)]
    cells = [(new_code_cell if i % 2 else new_markdown_cell)(x) for i, x in enumerate(pieces) if x]
    return new_notebook(cells=cells)


def _shown(name, notebook, folder):
    """The cells in Markdown, and what those of code show."""
    parts = []
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        parts.append(f"```python\n{cell.source}\n```")
        for k, output in enumerate(_joined(cell.get("outputs", []))):
            data = output.get("data", {})
            if "image/png" in data:
                picture = f"{name}-{i}-{k}.png"
                (folder / picture).write_bytes(base64.b64decode(data["image/png"]))
                parts.append(f"![What the cell shows]({picture})")
            elif (said := output.get("text", data.get("text/plain", "")).rstrip()) and (
                not said.startswith("<Figure ")  # it was written into a file
            ):
                parts.append(f"```text\n{_as_seen(said)}\n```")
    return parts


def _as_seen(text):
    """Lines as a terminal leaves them: what is before a return of the carriage was written over."""
    text = re.sub(r"\x1b\[[0-9;]*m|\x08", "", text)
    return "\n".join(line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n"))


def _joined(outputs):
    """What a cell shows: all that it prints in a row as one, and nothing of standard error."""
    joined = []
    for output in outputs:
        if output.get("name") == "stderr":
            continue
        if output.get("name") == "stdout" and joined and joined[-1].get("name") == "stdout":
            joined[-1] = {**joined[-1], "text": joined[-1]["text"] + output["text"]}
        else:
            joined.append(output)
    return joined


def write(folder, running):
    """Writes each as a page and as a notebook.

    Args:
        folder: Path.
        running: bool, run those that need no download, so that they show what comes out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, notebook in all_of_them().items():
        if running and name not in ELSEWHERE:
            run(notebook)
        nbformat.write(notebook, folder / f"{name}.ipynb")
        (folder / f"{name}.md").write_text(page(name, notebook, folder), encoding="utf-8")


if __name__ == "__main__":
    for of, unrun in all_of_them().items():
        nbformat.write(unrun, DOCS / "notebooks" / f"{of}.ipynb")

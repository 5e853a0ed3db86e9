"""What users call is annotated: every argument and every result of a public function or class."""

import ast
from pathlib import Path

import pytest

import s2s_zoo

PACKAGE = Path(s2s_zoo.__file__).parent
ROOMS = (
    "apps",
    "attention",
    "checkpoints",
    "data",
    "decoders",
    "encoders",
    "generation",
    "layers",
    "model",
    "pipeline",
    "protocol",
    "training",
)
FILES = [path for room in ROOMS for path in sorted((PACKAGE / room).rglob("*.py"))]


def public_functions(tree):
    """(name, node) of the public functions and methods, and of the constructors, of a module."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_":
            yield node.name, node
        if isinstance(node, ast.ClassDef) and node.name[0] != "_":
            for method in node.body:
                if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and (
                    method.name[0] != "_" or method.name in ("__init__", "__call__")
                ):
                    yield f"{node.name}.{method.name}", method


def unannotated(function):
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    named += filter(None, (arguments.vararg, arguments.kwarg))
    missing = [x.arg for x in named if x.annotation is None and x.arg not in ("self", "cls")]
    return missing + ([] if function.returns else ["the result"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_public_functions_are_annotated(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = {name: unannotated(node) for name, node in public_functions(tree)}
    assert {name: missing for name, missing in found.items() if missing} == {}

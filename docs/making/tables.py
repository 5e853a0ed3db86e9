"""Writes the tables of pages that follow from the code and its tests: docs/making/tables.py.

A table stands between two comments, `<!-- table: NAME -->` and `<!-- end -->`.
"""

import ast
import importlib.util
import re
import sys
from pathlib import Path

from s2s_zoo.checkpoints.popular import LOOKED_UP, POPULAR
from s2s_zoo.checkpoints.pretrained import FAMILIES
from s2s_zoo.checkpoints.pretrained.refused import why_not

ROOT = Path(__file__).parent.parent.parent
TESTS = ROOT / "tests" / "checkpoints" / "pretrained"
PAGES = tuple(ROOT / "docs" / "guides" / name for name in ("hub.md", "from-transformers.md"))
# The TensorFlow classes of transformers 4 that write text, and the model_type of their checkpoints.
CLASSES = {
    "TFMarianMTModel": "marian",
    "TFMBartForConditionalGeneration": "mbart",
    "TFBartForConditionalGeneration": "bart",
    "TFPegasusForConditionalGeneration": "pegasus",
    "TFT5ForConditionalGeneration": "t5",
    "TFMT5ForConditionalGeneration": "mt5",
    "TFLEDForConditionalGeneration": "led",
    "TFBlenderbotForConditionalGeneration": "blenderbot",
    "TFBlenderbotSmallForConditionalGeneration": "blenderbot-small",
    "TFEncoderDecoderModel": "encoder-decoder",
    "TFVisionEncoderDecoderModel": "vision-encoder-decoder",
    "TFBlipForConditionalGeneration": "blip",
    "TFWhisperForConditionalGeneration": "whisper",
    "TFSpeech2TextForConditionalGeneration": "speech_to_text",
    "TFRagTokenForGeneration": "rag",
    "TFRagSequenceForGeneration": "rag",
}
# Of a test, in the order of the table; others stand behind these.
ORDER = (
    "pixels",
    "features",
    "ids",
    "texts",
    "logits",
    "gradients",
    "greedy search",
    "beam search",
)
PLACE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
MARK = "compares"


def compared():
    """What the tests compare with transformers, of each variant of a family.

    A test says it by `@pytest.mark.compares("logits", …)`, of all variants of `FAMILIES` of its
    conftest, or of those that `of=` names: a tuple, or the name of one in that conftest.

    Returns:
        dict {model_type: dict {variant: list of str}}, in the order of `FAMILIES` of the package.

    Raises:
        ValueError: for a family that no test compares.
    """
    variants = _conftest()
    found = {}
    for path in sorted(TESTS.glob("test_*.py")):
        for mark in _marks(ast.parse(path.read_text(encoding="utf-8"))):
            of = next((x.value for x in mark.keywords if x.arg == "of"), None)
            names = variants.FAMILIES if of is None else _value(of, variants)
            for name in names:
                said = found.setdefault(name, [])
                said += [part for x in mark.args if (part := ast.literal_eval(x)) not in said]
    by_family = {family: {} for family in FAMILIES}
    for name, said in found.items():
        by_family[variants.model_type(name)][name] = said
    if missing := [family for family, found in by_family.items() if not found]:
        raise ValueError(
            f"No test compares {', '.join(missing)} with transformers. Mark those that do with "
            f"pytest.mark.{MARK}(…, of=(…)), and say in {TESTS.name}/conftest.py whose they are."
        )
    return by_family


def families_table():
    """The families, and what of each was compared."""
    lines = ["| model_type | variants | what is compared |", "|---|---|---|"]
    for family, variants in compared().items():
        rows = {}
        for name, said in variants.items():
            rows.setdefault(tuple(sorted(said, key=_place)), []).append(name)
        lines += [
            f"| `{family}` | {', '.join(names)} | {', '.join(said)} |"
            for said, names in rows.items()
        ]
    return "\n".join(lines)


def popular_table():
    """The checkpoints of the Hub by task."""
    lines = ["| task | one line | licence | size | languages |", "|---|---|---|---|---|"]
    task = None
    for entry in POPULAR:
        first = entry.task if entry.task != task else ""
        task = entry.task
        known = (first, f"`{entry.line}`", entry.license, entry.size, entry.languages)
        lines.append(f"| {' | '.join(known)} |".replace("|  |", "| |").replace("|  |", "| |"))
    return "\n".join([*lines, "", f"Looked up on {LOOKED_UP}."])


def classes_table():
    """What replaces each class."""
    lines = ["| class | here |", "|---|---|"]
    for name, family in CLASSES.items():
        line = next((entry.line for entry in POPULAR if entry.family == family), None)
        if family not in FAMILIES:
            here = f"refused: {why_not(family)}"
        else:
            here = f"`{line}`" if line else f"`from_pretrained` of a `{family}`"
        lines.append(f"| `{name}` | {here} |")
    autos = "`TFAutoModelForSeq2SeqLM`, `TFAutoModelForVision2Seq`, `TFAutoModelForSpeechSeq2Seq`"
    return "\n".join([*lines, f"| {autos} | `from_pretrained`, which finds out |"])


TABLES = {"families": families_table, "popular": popular_table, "classes": classes_table}


def written(text):
    """The text of a page with its tables as they are now."""
    return PLACE.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}\n{found[3]}", text)


def main():
    for page in PAGES:
        page.write_text(written(page.read_text(encoding="utf-8")), encoding="utf-8")


def _place(said):
    return ORDER.index(said) if said in ORDER else len(ORDER)


def _conftest():
    spec = importlib.util.spec_from_file_location("compared", TESTS / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _marks(tree):
    """The calls of `pytest.mark.compares` that decorate tests."""
    for test in tree.body:
        for mark in getattr(test, "decorator_list", ()):
            if isinstance(mark, ast.Call) and ast.unparse(mark.func) == f"pytest.mark.{MARK}":
                yield mark


def _value(node, module):
    return getattr(module, node.id) if isinstance(node, ast.Name) else ast.literal_eval(node)


if __name__ == "__main__":
    sys.exit(main())

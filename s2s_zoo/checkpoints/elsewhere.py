"""Models in the formats of other programs that are not read here, known by the names of files."""

import re
from pathlib import Path

MOST = 10_000  # names that are looked at
CONVERTED = "and load the directory that it writes, with the SentencePiece models beside it"
RUNS = "The converter runs what is pickled in the file, so use it for files that you trust"
KINDS = (  # what a directory holds names of, the whole of it; what it is, and the remedy
    (
        (r".*intgemm.*\.bin(\.gz)?|lex\..*\.s2t\.bin(\.gz)?",),
        "a model of Bergamot, as Firefox has it, in numbers of the engine intgemm",
        "Load what it was made of: the .npz of Marian with its decoder.yml, or an OPUS-MT model, "
        "such as hf://Helsinki-NLP/opus-mt-de-en",
    ),
    (
        (r".*_step_\d+\.pt",),
        "a checkpoint of OpenNMT-py, a pickle of its own classes",
        f"Convert it, ct2-opennmt-py-converter --model_path … --output_dir …, {CONVERTED}. {RUNS}",
    ),
    (
        (r".*\.pt", r"dict\..*\.txt"),
        "a checkpoint of Fairseq, a pickle of its own classes",
        "Convert it, ct2-fairseq-converter --model_path … --data_dir … --output_dir …, "
        f"{CONVERTED}. {RUNS}",
    ),
    (
        (r".*\.pt",),
        "a file of PyTorch, a pickle of classes of OpenNMT-py, Fairseq or another program",
        "Convert it, ct2-opennmt-py-converter or ct2-fairseq-converter of the package ctranslate2, "
        f"{CONVERTED}. {RUNS}",
    ),
    (
        (r".*\.npz",),
        "a model of Marian without its settings",
        "Give the directory, with a decoder.yml that names the model and both vocabularies",
    ),
)


def known_as(path: Path) -> str | None:
    """Returns what is at a path and what to do instead, or None where nothing is known.

    Args:
        path: a file, or a directory without a config.json.
    """
    if path.is_file():
        names = [path.name]
    else:
        names = [other.name for other, _ in zip(path.iterdir(), range(MOST), strict=False)]
    for patterns, what, remedy in KINDS:
        if all(any(re.fullmatch(pattern, name) for name in names) for pattern in patterns):
            return f"{path} is {what}, which is not read here. {remedy}."
    return None

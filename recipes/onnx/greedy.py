"""Translates or summarizes lines with onnxruntime: NumPy and SentencePiece besides, nothing else.

s2s-zoo export --model translation-de-en --format onnx exported
echo 'Ich habe keine Zeit.' | python recipes/onnx/greedy.py exported
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import sentencepiece


class Greedy:
    """Greedy search over the graphs of a folder.

    Args:
        folder: path, what `s2s-zoo export --format onnx` wrote.

    Call arguments:
        source: array, what "encoder.onnx" takes.
        limits: (B,) int, the most tokens of each row, END counted.

    Returns:
        list of list of int, the tokens of each row before END.
    """

    def __init__(self, folder):
        self.about = json.loads((folder / "search.json").read_text(encoding="utf-8"))
        self.encoder, self.step = (
            onnxruntime.InferenceSession(folder / f"{name}.onnx") for name in ("encoder", "step")
        )
        self.names = {value.name for value in self.step.get_inputs()}

    def __call__(self, source, limits):
        rows, limits = len(source), np.minimum(limits, self.about["max_length"])
        tokens = np.full(rows, self.about["start"], "int32")
        found = run(self.encoder, {"source": source})
        written, unfinished = [[] for _ in range(rows)], np.ones(rows, bool)
        for index in range(limits.max()):
            given = {**found, "tokens": tokens, "index": np.array(index, "int32")}
            made = run(self.step, {name: given[name] for name in self.names})
            logits = made.pop("logits")
            found |= {name.replace("next", "state"): value for name, value in made.items()}
            logits[:, [self.about["start"], self.about["pad"], *self.about["suppress"]]] = -np.inf
            tokens = logits.argmax(axis=1).astype("int32")
            unfinished &= (tokens != self.about["end"]) & (index < limits - 1)
            for row in np.flatnonzero(unfinished):
                written[row].append(int(tokens[row]))
            if not unfinished.any():
                break
        return written


def run(session, inputs):
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    search = Greedy(folder)
    source, target = (
        sentencepiece.SentencePieceProcessor(model_file=str(folder / f"{side}.model"))
        for side in ("source", "target")
    )
    for line in sys.stdin:
        ids = [*source.encode(line.strip()), search.about["end"]]
        limit = search.about["max_length"]
        if search.about["task"] == "translation":
            limit = 2 * len(ids) + 10
        print(target.decode(search(np.array([ids], "int32"), [limit])[0]), flush=True)


if __name__ == "__main__":
    main()

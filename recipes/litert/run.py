"""Translates or summarizes lines with LiteRT: NumPy and SentencePiece besides, nothing else.

s2s-zoo export --model translation-de-en --format litert exported
pip install ai-edge-litert sentencepiece
echo 'Ich habe keine Zeit.' | python recipes/litert/run.py exported
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import sentencepiece
from ai_edge_litert.interpreter import Interpreter


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    about = json.loads((folder / "search.json").read_text(encoding="utf-8"))
    source, target = (
        sentencepiece.SentencePieceProcessor(model_file=str(folder / f"{side}.model"))
        for side in ("source", "target")
    )
    search = Interpreter(model_path=str(folder / "model.tflite")).get_signature_runner()
    for line in sys.stdin:
        ids = source.encode(line.strip())[: about["max_source_length"] - 1]
        if not ids:
            print(flush=True)
            continue
        best = search(source=np.array([[*ids, about["end"]]], "int32"))["tokens"][0, 0]
        written = [int(token) for token in best if token not in (about["end"], about["pad"])]
        print(target.decode(written), flush=True)


if __name__ == "__main__":
    main()

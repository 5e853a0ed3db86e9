"""The core imports and runs where TensorFlow is not installed."""

import os
import subprocess
import sys

import keras
import pytest

SCRIPT = """
import sys

sys.modules["tensorflow"] = sys.modules["tensorflow_text"] = None  # imports of them now fail

from s2s_zoo import Generator, Seq2Seq
from s2s_zoo.data import SentencePieceTokenizer, TextProcessor, TokenBatches

tokenizer = SentencePieceTokenizer.train(["a b c d e f g", "g f e d c b a"], 14)
processor = TextProcessor(tokenizer, tokenizer, 20, 20)
batches = TokenBatches(processor, [("a b c", "c b a"), ("d e", "e d")], batch_tokens=32)
inputs, labels, weights = batches[0]
size = {"vocabulary_size": tokenizer.vocabulary_size, "embedding_dim": 4}
model = Seq2Seq.from_config(
    {
        "encoder": {"name": "recurrent", "units": 3, **size},
        "decoder": {"name": "recurrent", "units": 6, "input_feeding": True, **size},
    }
)
assert tuple(model(inputs).shape) == (*labels.shape, tokenizer.vocabulary_size)
for strategy in ("greedy", "beam", "sample"):
    found = Generator(model, strategy, max_length=5, run_eagerly=True)(
        {"source": inputs["source"]}
    )
    assert tuple(found["tokens"].shape) == (len(labels), 1, 5)
print("fine")
"""


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="runs on another backend")
def test_core_and_data_without_tensorflow():
    environment = {**os.environ, "KERAS_BACKEND": keras.backend.backend()}
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == "fine\n"

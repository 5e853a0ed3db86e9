"""Pipelines of Transformers that know nothing but tell sources apart, and often end."""

import numpy as np

from s2s_zoo import Pipeline, SentencePieceTokenizer, Seq2Seq, TextProcessor
from s2s_zoo.protocol import END, UNK
from tests.conftest import SENTENCES

# How each is made, and how much more often than others it ends.
ENDS = {"post": 5.0, "pre": 6.5}
KINDS = {
    "post": {"positions": "sinusoidal"},
    "pre": {"norm": "pre", "positions": {"name": "learned", "length": 64}, "activation": "gelu"},
}


def random_pipeline(kind, languages=("de", "en")):
    tokenizer = SentencePieceTokenizer.train(
        [text for pair in SENTENCES for text in pair], vocabulary_size=60
    )
    side = {"name": "transformer", "vocabulary_size": tokenizer.vocabulary_size, "layers": 2}
    side |= {"embedding_dim": 16, "heads": 4, "hidden_dim": 24, **KINDS[kind]}
    model = Seq2Seq.from_config({"encoder": side, "decoder": {**side, "tie_embeddings": True}})
    drawn = np.random.default_rng(11)
    for weight in model.weights:
        around = weight.path.endswith("gamma")
        weight.assign(around + drawn.normal(0, 0.4, weight.shape))
    bias = np.zeros(tokenizer.vocabulary_size)
    bias[END] = ENDS[kind]
    model.decoder.output_bias.assign(bias)
    processor = TextProcessor(tokenizer, tokenizer, max_source_length=24, max_target_length=30)
    return Pipeline("translation", model, processor, {"num_beams": 4}, list(languages))


def random_rows(pipeline, count=200):
    """Sources that share many n-grams, so that each of them has to be told from others."""
    drawn = np.random.default_rng(13)
    size = pipeline.processor.source_tokenizer.vocabulary_size
    parts = drawn.integers(UNK + 1, size, (12, 3))
    return [
        np.append(parts[drawn.integers(0, len(parts), length)].reshape(-1)[skip:], END)
        for length, skip in zip(
            drawn.integers(1, 7, count), drawn.integers(0, 3, count), strict=True
        )
    ]

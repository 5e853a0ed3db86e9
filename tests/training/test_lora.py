"""Low-rank adaptation: what it trains, and what a checkpoint of it holds."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo import Pipeline, Seq2Seq, enable_lora, from_pretrained

SOURCES = ["ein hund rennt", "eine katze schläft", "der mann liest ein buch"]


def transformer(tokenizer_size, width=32, layers=2):
    part = {
        "name": "transformer",
        "vocabulary_size": tokenizer_size,
        "embedding_dim": width,
        "layers": layers,
        "heads": 4,
        "hidden_dim": 4 * width,
    }
    return Seq2Seq(part, {**part, "tie_embeddings": True}, share_embeddings=True)


@pytest.fixture
def pipeline(tiny_pipeline):
    keras.utils.set_random_seed(3)
    model = transformer(tiny_pipeline.processor.source_tokenizer.vocabulary_size)
    return Pipeline("translation", model, tiny_pipeline.processor)


def test_it_trains_few_weights_and_saves_them_merged(pipeline, sentences, tmp_path):
    model = pipeline.model
    before = {weight.path: ops.convert_to_numpy(weight) for weight in model.weights}
    enable_lora(model, rank=2)
    assert {weight.name for weight in model.trainable_weights} == {"lora_kernel_a", "lora_kernel_b"}
    assert len(model.trainable_weights) == 2 * 2 * (2 + 4)
    pipeline.compile()
    model.optimizer.learning_rate = 0.05
    model.run_eagerly = True  # a trace takes longer
    batches = pipeline.batches(sentences, batch_tokens=128, max_shapes=1)
    losses = model.fit(batches, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0] - 0.1
    for weight in model.weights:
        if weight.path in before:
            np.testing.assert_array_equal(ops.convert_to_numpy(weight), before[weight.path])

    pipeline.save(tmp_path / "merged")
    merged = from_pretrained(tmp_path / "merged")
    assert {weight.path for weight in merged.model.weights} == set(before)
    np.testing.assert_allclose(
        merged.score(SOURCES, SOURCES), pipeline.score(SOURCES, SOURCES), rtol=1e-5
    )
    assert len(merged.model.trainable_weights) == len(before)


def test_share_of_the_weights():
    model = transformer(8000, width=256, layers=3)
    enable_lora(model)
    trained = sum(np.prod(weight.shape) for weight in model.trainable_weights)
    assert 0 < trained < 0.02 * model.count_params()


def test_what_cannot_be_adapted(pipeline, tiny_pipeline):
    with pytest.raises(ValueError, match="Received: rank=8, RecurrentEncoder"):
        enable_lora(tiny_pipeline.model)
    with pytest.raises(ValueError, match="rank=0"):
        enable_lora(pipeline.model, 0)


def test_it_adapts_hashed_attention_and_leaves_recurrence_alone():
    part = {"name": "transformer", "vocabulary_size": 9, "embedding_dim": 4, "heads": 2}
    part = {**part, "hidden_dim": 4, "layers": 1}
    model = Seq2Seq({**part, "lsh": {}}, {**part, "name": "ssru"})
    enable_lora(model, rank=2)
    adapted = {weight.path.split("/")[-3] for weight in model.trainable_weights}
    assert adapted == {"self_attention", "cross_attention"}
    assert len(model.trainable_weights) == 2 * 2 * 2

"""The fingerprint of a pipeline changes with whatever changes its answers."""

import keras
import pytest

from s2s_zoo import Pipeline, Seq2Seq, ensemble, from_pretrained
from s2s_zoo.pipeline.fingerprint import fingerprint


@pytest.fixture
def loaded(tiny_checkpoint):
    return from_pretrained(tiny_checkpoint)


def test_a_checkpoint_has_one_wherever_it_is_loaded(tiny_pipeline, tiny_checkpoint, loaded):
    assert fingerprint(loaded) == fingerprint(from_pretrained(tiny_checkpoint))
    assert fingerprint(loaded) == fingerprint(loaded) == fingerprint(tiny_pipeline)


def test_one_number_of_one_weight_changes_it(loaded):
    before = fingerprint(loaded)
    weight = loaded.model.weights[-1]
    weight.assign(weight + 1e-6)
    assert fingerprint(loaded) != before


def test_training_changes_it(loaded, sentences):
    before = fingerprint(loaded)
    loaded.model.run_eagerly = True
    loaded.model.fit(loaded.batches(sentences, batch_tokens=200), epochs=1, verbose=0)
    assert fingerprint(loaded) != before


def test_precision_settings_processor_and_members_change_it(tiny_checkpoint, loaded):
    found = {fingerprint(loaded), fingerprint(from_pretrained(tiny_checkpoint, dtype="bfloat16"))}
    found.add(fingerprint(from_pretrained(tiny_checkpoint, dtype="mixed_bfloat16")))
    found.add(fingerprint(ensemble([loaded, loaded])))
    loaded.generation["num_beams"] = 3
    found.add(fingerprint(loaded))
    loaded.processor.max_source_length = 9
    found.add(fingerprint(loaded))
    assert len(found) == 6


def test_a_shortlist_changes_it(loaded, sentences):
    before = fingerprint(loaded)
    loaded.build_shortlist(sentences, per_source=2, frequent=8)
    with_one = fingerprint(loaded)
    loaded.build_shortlist(sentences, per_source=3, frequent=8)
    assert len({before, with_one, fingerprint(loaded)}) == 3


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
def test_a_model_that_was_not_loaded_has_one(tiny_pipeline):
    size = {"vocabulary_size": 60, "embedding_dim": 8}

    def made():
        keras.utils.set_random_seed(3)
        transformer = {"name": "transformer", "layers": 1, "heads": 2, **size}
        return Seq2Seq.from_config({"encoder": transformer, "decoder": transformer})

    pipelines = [Pipeline("translation", made(), tiny_pipeline.processor) for _ in range(2)]
    assert fingerprint(pipelines[0]) == fingerprint(pipelines[1]) != fingerprint(tiny_pipeline)
    pipelines[0].model.quantize("int8")
    assert fingerprint(pipelines[0]) != fingerprint(pipelines[1])

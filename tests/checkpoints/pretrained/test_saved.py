"""Every imported family, saved in our own format and exported."""

import json
import pickle

import numpy as np
import pytest
import sentencepiece

import s2s_zoo
from s2s_zoo import from_pretrained
from tests.checkpoints.pretrained.conftest import FAMILIES
from tests.checkpoints.pretrained.lines import LINES

TEXTS = [*LINES[::40], "", "a</s>b", "𝔘𝔫𝔦 \ud800 ✓"]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")
def test_saved_in_our_format_it_is_the_same(oracle, family, tmp_path):
    pipeline = from_pretrained(oracle(family).directory)
    pipeline.save(tmp_path / "ours")
    again = from_pretrained(tmp_path / "ours")
    assert again.generation == pipeline.generation and again.task == pipeline.task
    assert again.languages == pipeline.languages
    assert again.plan({}) == pipeline.plan({})
    inputs = {}
    for side in ("source", "target"):
        rows, expected = (
            x.processor.pad(getattr(x.processor, f"encode_{side}")(TEXTS, truncate=False))
            for x in (again, pipeline)
        )
        np.testing.assert_array_equal(rows, expected)
        inputs[side] = rows[:4]
    assert again.processor.decode(rows) == pipeline.processor.decode(rows)
    np.testing.assert_array_equal(again.model(inputs), pipeline.model(inputs))


@pytest.mark.parametrize("family", ["umt5", "byt5", "codet5", "blenderbot", "blendersmall"])
def test_it_learns_with_lora(oracle, family):
    pipeline = from_pretrained(oracle(family).directory)
    s2s_zoo.enable_lora(pipeline.model, 2)
    pipeline.compile()
    pipeline.model.run_eagerly = True
    pairs = [("a dog runs", "le chat"), ("two children", "ein Hund")]
    before = pipeline.score(*zip(*pairs, strict=True)).sum()
    pipeline.model.fit(pipeline.batches(pairs, batch_tokens=512), epochs=1, verbose=0)
    assert pipeline.score(*zip(*pairs, strict=True)).sum() != before


@pytest.mark.parametrize("family", ["marian-separate", "m2m_100", "bart"])
@pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")
def test_it_can_be_pickled(oracle, family):
    pipeline = from_pretrained(oracle(family).directory)
    again = pickle.loads(pickle.dumps(pipeline))
    assert repr(again) == repr(pipeline) and f"family='{family.split('-')[0]}" in repr(
        again.processor
    )
    for one, other in zip(
        *(x.processor.encode_source(TEXTS) for x in (pipeline, again)), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("family", ["marian-separate", "bart"])
@pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")
def test_another_program_finds_the_ids_by_their_pieces(oracle, family, tmp_path):
    processor = from_pretrained(oracle(family).directory).processor
    processor.save_tokenizers(tmp_path)
    assert processor.files.keys() <= {path.name for path in tmp_path.iterdir()}
    text = "a dog runs in the park."
    for side in ("source", "target"):
        pieces = json.loads((tmp_path / f"{side}.json").read_text(encoding="utf-8"))
        tokenizer = getattr(processor, f"{side}_tokenizer")
        assert len(pieces) == tokenizer.vocabulary_size
        (ids,) = tokenizer.encode([text])
        if family == "bart":
            import tokenizers

            cut = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
            expected = cut.encode(text, add_special_tokens=False).tokens
        else:
            cut = sentencepiece.SentencePieceProcessor(str(tmp_path / f"{side}.spm"))
            expected = cut.encode(text, out_type=str)
        assert [pieces[i] for i in ids] == expected


@pytest.mark.converters
@pytest.mark.filterwarnings("ignore")  # of the interpreter
def test_exported_for_devices(hub_marian, tmp_path):
    tf = pytest.importorskip("tensorflow")
    pipeline = from_pretrained(hub_marian)
    s2s_zoo.export(
        pipeline, tmp_path / "model", format="litert", return_alignment=False, num_beams=2
    )
    path = str(tmp_path / "model" / "model.tflite")
    search = tf.lite.Interpreter(model_path=path).get_signature_runner("serving_default")
    texts = ["ein kleiner Hund rennt schnell am Strand!", "a dog runs"]
    for row, answer in zip(
        pipeline.processor.encode_source(texts), pipeline(texts, num_beams=2), strict=True
    ):
        tokens = search(source=row[None])["tokens"][0]
        assert pipeline.processor.decode(tokens) == [answer]


def test_not_as_a_graph_with_its_tokenizer(hub_marian, tmp_path):
    with pytest.raises(ValueError, match="imported checkpoint cannot run inside a TensorFlow"):
        s2s_zoo.export(from_pretrained(hub_marian), tmp_path / "model")
    assert not (tmp_path / "model").exists()

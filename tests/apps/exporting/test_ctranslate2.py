"""The directory of CTranslate2 gives the answers in a process that knows nothing of us."""

import json
import subprocess
import sys

import pytest

import s2s_zoo
from tests.pipeline.random_transformer import random_pipeline

pytest.importorskip("ctranslate2", reason="needs pip install 's2s-zoo[ctranslate2]'")

RUN = """
import json, sys
sys.modules["s2s_zoo"] = sys.modules["keras"] = sys.modules["torch"] = None  # importing them fails
import ctranslate2, sentencepiece
folder, texts = sys.argv[1], json.loads(sys.argv[2])
about = json.load(open(f"{folder}/search.json", encoding="utf-8"))
source = sentencepiece.SentencePieceProcessor(model_file=f"{folder}/source.model")
translator = ctranslate2.Translator(folder, compute_type="float32")
found = translator.translate_batch(source.encode(texts, out_type=str), **about["translate_batch"])
print(json.dumps([one.hypotheses[0] for one in found]))
"""
TEXTS = ["ein hund rennt", "die frau trinkt wasser im garten", "zwei hunde"]


@pytest.fixture(scope="module")
def pipeline():
    return random_pipeline("post")


def test_answers_elsewhere(pipeline, tmp_path):
    options = {"num_beams": 1, "max_length": 20}
    s2s_zoo.export(pipeline, tmp_path / "model", format="ctranslate2", **options)
    command = [sys.executable, "-c", RUN, str(tmp_path / "model"), json.dumps(TEXTS)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    plain = {"split": False, "protect": False, "detect": False, "return_scores": True}
    results = pipeline(TEXTS, **plain, **options)
    # At the limit a text ends with END here.
    wanted = [list(result.target_tokens)[:-1] for result in results]
    assert [written[:19] for written in json.loads(done.stdout)] == wanted
    assert len(set(map(tuple, wanted))) > 1


def test_what_its_search_is_told(pipeline, tmp_path):
    options = {"num_beams": 3, "max_length": 12, "length_penalty": 0.5, "forced_prefix": "a"}
    options |= {"score_forced": False, "min_length": 5, "suppress_tokens": [3, (4, 5)]}
    folder = tmp_path / "model"
    s2s_zoo.export(pipeline, folder, format="ctranslate2", quantization="int8", **options)
    pieces = pipeline.processor.target_tokenizer.pieces(range(6))
    about = json.loads((folder / "search.json").read_text(encoding="utf-8"))
    asked = about["translate_batch"]
    assert asked["suppress_sequences"] == [*([x] for x in (*pieces[:2], pieces[3])), pieces[4:]]
    assert (asked["beam_size"], asked["max_decoding_length"], asked["length_penalty"]) == (
        3,
        12,
        0.5,
    )
    prefix = pipeline.processor.encode_target(["a"])[0][:-1]
    assert about["target_prefix"] == pipeline.processor.target_tokenizer.pieces(prefix)
    assert {path.name for path in folder.iterdir()} == {
        *("model.bin", "config.json", "shared_vocabulary.json", "search.json"),
        *("source.model", "target.model"),
    }


@pytest.mark.parametrize(
    "options, reason",
    [
        ({"strategy": "sample"}, "draws from numbers of its own"),
        ({"num_beams": 2, "early_stopping": False}, "early_stopping=True. Received.*False"),
        ({"num_beams": 2, "renormalize": False}, "renormalize=True. Received.*False"),
        ({"repetition_penalty": 1.2}, "no repetition_penalty"),
        ({"num_beams": 2, "coverage_penalty": 0.2}, "no coverage_penalty"),
        ({"num_beams": 2, "num_beam_groups": 2}, "no num_beam_groups"),
        ({"num_beams": 2, "length_penalty_form": "gnmt"}, "form='power'"),
        ({"num_beams": 2, "forced_prefix": "a"}, "Use score_forced=False, min_length=[234]"),
    ],
)
def test_what_it_would_search_otherwise_is_refused(pipeline, tmp_path, options, reason):
    with pytest.raises(ValueError, match=reason):
        s2s_zoo.export(pipeline, tmp_path / "a", format="ctranslate2", **options)
    assert not list(tmp_path.iterdir())


def test_models_and_formats_that_do_not_fit(tiny_pipeline, pipeline, tmp_path):
    with pytest.raises(ValueError, match="RecurrentEncoder.*another format of export"):
        s2s_zoo.export(tiny_pipeline, tmp_path / "a", format="ctranslate2")
    with pytest.raises(ValueError, match="quantization belongs to format='ctranslate2'"):
        s2s_zoo.export(pipeline, tmp_path / "a", quantization="int8")
    assert not list(tmp_path.iterdir())

"""Model cards: read back by the Hub's own parser, and equal to the ones that are bundled."""

from pathlib import Path

import pytest
import yaml

from s2s_zoo.checkpoints.card import metadata, model_card
from s2s_zoo.checkpoints.catalog import PACKAGE, list_checkpoints

ENTRY = {
    "task": "translation",
    "languages": ["no", "en"],
    "license": "cc-by-2.0",
    "parameters": 1234567,
    "metrics": [
        {
            "name": "bleu",
            "value": 38.98,
            "dataset": 'Multi30k "test": 2016',
            "signature": "nrefs:1|case:mixed|tok:13a",
            "num_beams": 5,
        },
        {
            "name": "chrf",
            "value": 59.4,
            "dataset": "manythings valid",
            "signature": "nrefs:1|nc:6",
            "num_beams": 1,
        },
    ],
}


def front_matter(card):
    return yaml.safe_load(card.split("---\n")[1])


@pytest.mark.parametrize("name", list_checkpoints())
def test_bundled_cards_are_made_this_way(name):
    entry = list_checkpoints()[name]
    card = (Path(PACKAGE) / entry["path"] / "README.md").read_text(encoding="utf-8")
    assert card.startswith(metadata(name, entry) + f"# {name}\n")


def test_captioning_is_what_the_hub_calls_image_to_text():
    card = model_card("mine", {**ENTRY, "task": "captioning"}, "mine")
    data = front_matter(card)
    assert data["pipeline_tag"] == "image-to-text"
    assert data["model-index"][0]["results"][0]["task"]["type"] == "image-to-text"
    assert 'pipeline("photo.jpg")' in card


def test_what_the_hub_reads():
    from huggingface_hub import ModelCard

    read = ModelCard(model_card("mine", ENTRY, "hf://me/mine")).data
    assert read.language == ["no", "en"]
    found = vars(read)
    assert (found["license"], found["library_name"], found["pipeline_tag"]) == (
        "cc-by-2.0",
        "s2s_zoo",
        "translation",
    )
    assert read.datasets == ["multi30k", "manythings"]
    assert read.metrics == ["bleu", "chrf"]
    first, second = read.eval_results
    assert (first.task_type, first.dataset_type) == ("translation", "multi30k")
    assert (first.dataset_name, first.metric_type) == ('Multi30k "test": 2016', "bleu")
    assert first.metric_value == 38.98
    assert first.metric_args == {"signature": "nrefs:1|case:mixed|tok:13a", "num_beams": 5}
    assert (second.dataset_name, second.metric_value) == ("manythings valid", 59.4)


def test_a_card_without_scores_claims_none():
    card = model_card("mine", {"task": "translation", "parameters": 5}, "the path")
    assert front_matter(card) == {"library_name": "s2s_zoo", "pipeline_tag": "translation"}
    assert "No score of it was recorded." in card
    assert 'from_pretrained("the path")' in card


@pytest.mark.parametrize("text", ["no", "on", "1e3", "a: b", "- x", "#", "", 'a"b', "zh-Hant", "ü"])
def test_text_stays_text(text):
    entry = {"task": text, "languages": [text], "license": text}
    read = front_matter(metadata(text, entry))
    assert (read["pipeline_tag"], read["language"], read["license"]) == (text, [text], text)

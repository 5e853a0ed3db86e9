"""The unknown token is replaced by the source unit with the most attention."""

import keras
import numpy as np
import pytest

import s2s_zoo
from s2s_zoo.data import SentencePieceTokenizer, TextProcessor, WordTokenizer
from s2s_zoo.protocol import UNK

SOURCE = "der Hund, Xerxes, rennt"


def pipeline_of(tokenizer, **decoder):
    """A pipeline whose model writes nothing but the unknown token."""
    keras.utils.set_random_seed(3)
    size = {"vocabulary_size": tokenizer.vocabulary_size, "embedding_dim": 6}
    model = s2s_zoo.Seq2Seq.from_config(
        {
            "encoder": {"name": "recurrent", "units": 4, **size},
            "decoder": {"name": "recurrent", "units": 8, **size, **decoder},
        }
    )
    for weight in model.decoder.attention.weights + model.encoder.weights:
        weight.assign(3 * np.random.default_rng(0).normal(size=weight.shape))
    model.decoder.output_bias.assign(100.0 * np.eye(tokenizer.vocabulary_size)[UNK])
    return s2s_zoo.Pipeline("translation", model, TextProcessor(tokenizer, tokenizer))


@pytest.fixture(scope="module")
def words():
    return pipeline_of(WordTokenizer.train(["der Hund rennt, die Katze schläft"], 20))


@pytest.mark.parametrize("options", [{}, {"num_beams": 2, "num_return": 2}])
def test_each_unknown_word_is_the_one_looked_at_most(words, options):
    options = {"max_length": 6, "replace_unknown": True, **options}
    results = words(SOURCE, return_alignment=True, **options)
    units = ["der", "Hund", "￭,", "Xerxes", "￭,", "rennt"]
    for result in results if isinstance(results, list) else [results]:
        places = result.alignment[:, :6].argmax(axis=1)
        written = [
            units[place] if token == "<unk>" else token
            for token, place in zip(result.target_tokens, places, strict=True)
            if token != "</s>"
        ]
        assert result.target_tokens.count("<unk>") > 2
        assert result.text == " ".join(written).replace(" ￭", "").replace("￭", "")
    assert words([SOURCE, "die Katze"], **options)[0] == (
        [result.text for result in results] if isinstance(results, list) else results.text
    )


def test_it_is_off_by_default(words):
    assert "<unk>" not in words(SOURCE, return_alignment=True, max_length=6).target_tokens


def test_known_words_stay(words):
    bias = words.model.decoder.output_bias
    before = keras.ops.convert_to_numpy(bias)
    bias.assign(np.roll(before, 2))  # a word in place of the unknown one
    try:
        assert words(SOURCE, replace_unknown=True, max_length=4) == words(SOURCE, max_length=4)
    finally:
        bias.assign(before)


def test_characters_that_a_subword_vocabulary_does_not_have():
    tokenizer = SentencePieceTokenizer.train(["ein hund rennt", "a dog runs"], 19)
    result = pipeline_of(tokenizer)(
        "ein Ω hund", replace_unknown=True, return_alignment=True, max_length=5
    )
    units = tokenizer.units("ein Ω hund")
    assert "Ω" in units and tokenizer.assemble(units) == "ein Ω hund"
    places = result.alignment[: result.target_tokens.count("<unk>"), : len(units)].argmax(axis=1)
    assert result.text == "".join(units[place] for place in places).replace("▁", " ").strip()


def test_models_that_cannot_write_it_are_refused(words, tiny_captioner, monkeypatch):
    with pytest.raises(ValueError, match="Leave it out"):
        words(SOURCE, replace_unknown=True, suppress_tokens=[UNK])
    with pytest.raises(ValueError, match="cannot: its vocabulary writes every character"):
        tiny_captioner("photo.jpg", replace_unknown=True)
    monkeypatch.setattr(WordTokenizer, "has_unknown", False)
    with pytest.raises(ValueError, match="cannot"):
        words(SOURCE, replace_unknown=True)


def test_byte_fallback_leaves_nothing_unknown():
    import io

    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(["ein hund rennt"]),
        model_writer=model,
        vocab_size=290,
        byte_fallback=True,
        hard_vocab_limit=False,
        **{"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3, "minloglevel": 2},
    )
    assert not SentencePieceTokenizer(model.getvalue()).has_unknown
    assert SentencePieceTokenizer.train(["ein hund rennt"], 13).has_unknown

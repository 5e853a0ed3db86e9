import json

import pytest

import s2s_zoo
from s2s_zoo.data import SentencePieceTokenizer, TextProcessor
from tests.conftest import SENTENCES
from tests.recipes.conftest import RECIPES
from tests.recipes.test_real_text import load

finish = load("finish")


def trained(symbols):
    """What the recipe writes: a vocabulary with symbols, which the processor does not know of."""
    texts = [text for pair in SENTENCES for text in pair]
    tokenizer = SentencePieceTokenizer.train(texts, 40 + len(symbols), symbols=symbols)
    part = {
        "name": "recurrent",
        "embedding_dim": 64,
        "units": 64,
        "vocabulary_size": tokenizer.vocabulary_size,
    }
    model = s2s_zoo.Seq2Seq.from_config({"encoder": part, "decoder": part})
    return s2s_zoo.Pipeline(
        task="translation",
        model=model,
        processor=TextProcessor(tokenizer, tokenizer),
        languages=["mul", "en"],
    )


@pytest.mark.parametrize("number", [0, 3])
def test_a_checkpoint_is_finished_with_the_symbols_of_its_vocabulary(number, tmp_path):
    trained([f"⟦{i}⟧" for i in range(1, number + 1)]).save(tmp_path / "best")
    pairs = tmp_path / "train.tsv"
    pairs.write_text("a dog\tein Hund\nThe dog\tder Hund\n", encoding="utf-8")
    finish.main(
        [str(tmp_path / "best"), str(tmp_path / "small")]
        + ["--languages", "de", "fr", "en", "--doubt", "-1.1", "--pairs", str(pairs)]
        + ["--columns", "en", "de"]
    )
    small = s2s_zoo.from_pretrained(tmp_path / "small")
    assert small.languages == ["de", "fr", "en"]
    assert small.doubt == -1.1
    assert small.processor.normalize
    assert small.processor.known_words.model_bytes == b"dog", "of the targets, twice"
    symbols = small.processor.symbols
    assert (symbols.limit if symbols else 0) == number
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("best", "small")]
    assert sizes[1] < 0.6 * sizes[0]


@pytest.mark.parametrize("name", ["config", "pair"])
def test_the_configuration_has_the_symbols_that_the_pairs_have(name):
    path = RECIPES / f"translation/real_text/{name}.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    assert config["tokenizer"]["symbols"] == load("prepare").SYMBOLS

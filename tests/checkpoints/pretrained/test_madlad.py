"""MADLAD-400 (2309.04662) is a T5 whose sources begin with the language that is wanted."""

import pytest

from s2s_zoo import from_pretrained
from tests.checkpoints.pretrained.lines import AS_IT_IS, pieces_model
from tests.checkpoints.pretrained.oracle import padded

pytestmark = pytest.mark.filterwarnings("ignore")
LANGUAGES = ["<2de>", "<2fr>", "<2zh_Hant>"]
TEXTS = ["<2de> a dog runs", "<2fr> two children", "<2zh_Hant> the old man", "<2en> a dog"]


@pytest.fixture(scope="module")
def oracle(tmp_path_factory):
    """A directory as the published ones are, and the model and tokenizer that wrote it."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")

    directory = tmp_path_factory.mktemp("madlad")
    ids = {"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": -1}
    model = pieces_model(220, user_defined_symbols=LANGUAGES, **ids)[0]
    (directory / "spiece.model").write_bytes(model)
    tokenizer = transformers.T5Tokenizer.from_pretrained(directory, extra_ids=0, pad_token="<s>")
    tokenizer.save_pretrained(directory)
    torch.manual_seed(0)
    config = transformers.T5Config(
        vocab_size=len(tokenizer), d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4,
        relative_attention_num_buckets=8, relative_attention_max_distance=20,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False, decoder_start_token_id=0,
        pad_token_id=1, eos_token_id=2,
    )  # fmt: skip
    model = transformers.T5ForConditionalGeneration(config).eval()
    with torch.no_grad():
        model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.lm_head.weight))
    model.generation_config.update(max_length=16, num_beams=1, forced_eos_token_id=2)
    model.save_pretrained(directory)
    return directory, model, tokenizer


@pytest.mark.compares("ids", "greedy search", of=("madlad",))
def test_it_writes_what_transformers_writes(oracle, tmp_path):
    import torch

    directory, model, tokenizer = oracle
    pipeline = from_pretrained(directory)
    processor = pipeline.processor
    order = processor.source_tokenizer.order
    rows = [order[row].tolist() for row in processor.encode_source(TEXTS)]
    assert rows == tokenizer(TEXTS)["input_ids"]
    for row, language in zip(rows, LANGUAGES, strict=False):
        assert row[:2].count(tokenizer.convert_tokens_to_ids(language)) == 1
    ids, mask = map(torch.tensor, padded(rows, 1))
    with torch.no_grad():
        found = model.generate(input_ids=ids, attention_mask=mask, suppress_tokens=[0, 1])
    expected = tokenizer.batch_decode(found, skip_special_tokens=True)
    assert len(set(expected)) > 1
    assert pipeline(TEXTS) == expected
    as_translation = from_pretrained(directory, task="translation")
    assert as_translation(TEXTS, max_length=15, **AS_IT_IS) == expected
    pipeline.save(tmp_path / "ours")
    assert from_pretrained(tmp_path / "ours")(TEXTS) == expected

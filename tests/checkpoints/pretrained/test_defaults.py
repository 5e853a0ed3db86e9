"""What a config.json means that leaves keys out."""

import pytest

from s2s_zoo.checkpoints.pretrained import FAMILIES
from s2s_zoo.checkpoints.pretrained.tied import as_tied

TEXT = sorted(name for name, family in FAMILIES.items() if family.processor is None)
# Without these a config is refused, or they are in the defaults of the family.
SAID = """
    vocab_size d_model encoder_layers decoder_layers encoder_attention_heads
    decoder_attention_heads encoder_ffn_dim decoder_ffn_dim max_position_embeddings num_layers
    num_heads d_kv d_ff
""".split()
IDS = ("pad_token_id", "eos_token_id", "decoder_start_token_id")


@pytest.mark.parametrize("name", TEXT)
def test_it_means_what_it_means_to_transformers(name):
    CONFIG_MAPPING = pytest.importorskip("transformers").CONFIG_MAPPING

    family, full = FAMILIES[name], CONFIG_MAPPING[name]().to_dict()
    silent = {**family.defaults, **{key: full[key] for key in SAID if key in full}}
    described = []
    for config in (full, silent):
        config, tensors = family.unify(config, {}, None)
        described.append(family.describe(as_tied(config, tensors)))
    assert described[0] == described[1]
    if name != "marian":  # whose ids are those of its vocabulary
        assert {key: silent.get(key, full["pad_token_id"]) for key in IDS} == {
            key: full["pad_token_id"] if full.get(key) is None else full[key] for key in IDS
        }

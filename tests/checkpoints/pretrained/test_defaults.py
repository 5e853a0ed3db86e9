"""What a config.json means that leaves keys out."""

import pytest

from s2s_zoo.checkpoints.pretrained import FAMILIES, t5
from s2s_zoo.checkpoints.pretrained.family import ACTIVATIONS
from s2s_zoo.checkpoints.pretrained.tied import as_tied
from s2s_zoo.protocol.errors import CheckpointError

# Whose config is those of two others, and whose is in another file: in tests of their own.
OTHERS = {"encoder-decoder", "ctranslate2", "marian-npz"}
TEXT = {name for name, family in FAMILIES.items() if family.processor is None} - OTHERS
# Without these a config is refused, or they are in the defaults of the family.
SAID = """
    vocab_size d_model encoder_layers decoder_layers encoder_attention_heads
    decoder_attention_heads encoder_ffn_dim decoder_ffn_dim max_position_embeddings num_layers
    num_heads d_kv d_ff
""".split()
FEED_FORWARDS = ("relu", "gelu", "gated-gelu", "gated-gelu_new", "gelu_new", "gated-silu")
IDS = ("pad_token_id", "eos_token_id", "decoder_start_token_id")


@pytest.mark.parametrize("name", sorted(TEXT))
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


@pytest.mark.parametrize("written", FEED_FORWARDS)
def test_the_feed_forward_layer_of_a_t5(written):
    """GELU is the exact one, and the approximation only where it is gated and has no other name."""
    T5Config = pytest.importorskip("transformers").T5Config

    config = T5Config(feed_forward_proj=written).to_dict()
    expected = config["is_gated_act"], ACTIVATIONS[config["dense_act_fn"]]
    assert t5.feed_forward(config) == expected
    assert t5.feed_forward({"feed_forward_proj": written}) == expected
    said = {"feed_forward_proj": written, "dense_act_fn": "relu", "is_gated_act": False}
    assert t5.feed_forward(said) == (False, "relu")
    with pytest.raises(CheckpointError, match="a dense_act_fn of relu, gelu.*'mish'"):
        t5.feed_forward({"feed_forward_proj": "gated-mish"})

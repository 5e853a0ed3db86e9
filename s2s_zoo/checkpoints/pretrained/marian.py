"""Marian: the opus-mt and tc-big checkpoints of Helsinki-NLP."""

from s2s_zoo.checkpoints.pretrained import bart

TASK = "translation"


def describe(config):
    encoder, decoder = bart.stack(config, positions="sinusoidal")
    if not config.get("share_encoder_decoder_embeddings", True):
        decoder["vocabulary_size"] = config.get("decoder_vocab_size") or config["vocab_size"]
    return encoder, decoder


def names(name, config):
    candidates = bart.names(name, config)
    if name.endswith("embedding/embeddings"):
        if not config.get("share_encoder_decoder_embeddings", True):
            return candidates[1:] if name.startswith("decoder") else candidates[1:2]
    return candidates

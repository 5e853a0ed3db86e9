"""M2M-100 (Fan et al. 2020, 2010.11125) and NLLB (2207.04672)."""

from s2s_zoo.checkpoints.pretrained import bart

TASK = "translation"
names = bart.names


def describe(config):
    # Positions are counted from the id of the padding, plus one.
    positions = {
        "name": "sinusoidal",
        "spacing": "tensor2tensor",
        "offset": config.get("pad_token_id", 1) + 1,
    }
    encoder, decoder = bart.stack(config, positions=positions, norm="pre")
    return encoder, {**decoder, "output_bias": False}

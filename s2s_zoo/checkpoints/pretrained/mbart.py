"""mBART and mBART-50 (Liu et al. 2020, 2001.08210; Tang et al. 2020, 2008.00401)."""

from s2s_zoo.checkpoints.pretrained import bart

TASK = "translation"
names = bart.names


def describe(config):
    positions = {"name": "learned", "length": config["max_position_embeddings"], "offset": 2}
    return bart.stack(config, positions=positions, embedding_norm=True, norm="pre")

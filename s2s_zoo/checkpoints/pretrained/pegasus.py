"""Pegasus (Zhang et al. 2019, 1912.08777)."""

from s2s_zoo.checkpoints.pretrained import bart

TASK = "summarization"
names = bart.names


def describe(config):
    return bart.stack(config, positions="sinusoidal", norm="pre")

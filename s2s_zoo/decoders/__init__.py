"""Decoders: one file and one line of the table each."""

from s2s_zoo.decoders.recurrent import RecurrentDecoder

DECODERS = {
    "recurrent": RecurrentDecoder,
}

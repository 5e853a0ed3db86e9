"""The model: an encoder and a decoder, several as one, and published architectures."""

import s2s_zoo.protocol.onednn  # noqa: F401  # isort: skip  # before Keras is loaded

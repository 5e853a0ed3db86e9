"""The model: an encoder and a decoder, several as one, and published architectures."""

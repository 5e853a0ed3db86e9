"""s2s_zoo: sequence-to-sequence models for Keras 3, with pretrained checkpoints."""

__version__ = "0.1.0"

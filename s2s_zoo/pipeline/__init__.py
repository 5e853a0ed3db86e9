"""A task from end to end, and how one is loaded."""

import s2s_zoo.protocol.onednn  # noqa: F401  # isort: skip  # before Keras is loaded

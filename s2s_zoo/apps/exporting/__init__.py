"""Pipelines as files that run without this package."""

import s2s_zoo.protocol.onednn  # noqa: F401  # isort: skip  # before Keras is loaded

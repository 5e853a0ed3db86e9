"""What several mechanisms are built of."""

import s2s_zoo.protocol.onednn  # noqa: F401  # isort: skip  # before Keras is loaded

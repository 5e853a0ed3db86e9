"""Importing this asks TensorFlow for oneDNN: what loads Keras or TensorFlow imports it before.

TensorFlow has its faster products for x86, but uses them unasked only where AVX512 has VNNI. It
reads the variable once, while it is loaded.
"""

import logging
import os
import platform
import sys

VARIABLE = "TF_ENABLE_ONEDNN_OPTS"


def ask() -> None:
    """Sets the variable, unless somebody has set it or TensorFlow is not used or loaded already."""
    if platform.machine() not in ("x86_64", "AMD64") or VARIABLE in os.environ:
        return
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        return
    if "tensorflow" in sys.modules:
        logging.getLogger("s2s_zoo").info(
            "TensorFlow was loaded before s2s_zoo was used, so it was not asked for oneDNN, which "
            "trains faster on some processors. Use s2s_zoo first, or set %s=1.",
            VARIABLE,
        )
        return
    os.environ[VARIABLE] = "1"


ask()

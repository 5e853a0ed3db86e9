"""In which precision a model trains fastest."""

from pathlib import Path
from typing import Literal

import keras


def fastest_precision() -> Literal["float32", "mixed_bfloat16", "mixed_float16"]:
    """Returns the dtype policy that a model trains fastest in on the device that Keras would use.

    Half precision pays where products of it are instructions: "mixed_bfloat16" on accelerators and
    on CPUs with AMX or AVX512-BF16 through TensorFlow's oneDNN, "mixed_float16" on GPUs before
    NVIDIA's Ampere, which have no other; elsewhere "float32".
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        if not gpus:
            return "mixed_bfloat16" if _cpu_flags() & {"amx_bf16", "avx512_bf16"} else "float32"
        details = tf.config.experimental.get_device_details(gpus[0])
        old = details.get("compute_capability", (8, 0)) < (8, 0)
        return "mixed_float16" if old else "mixed_bfloat16"
    if backend == "jax":
        devices = keras.distribution.list_devices()
        return "float32" if devices[0].startswith("cpu") else "mixed_bfloat16"
    import torch

    return "mixed_bfloat16" if torch.cuda.is_available() else "float32"


def _cpu_flags():
    """The names of the instructions of this CPU; empty where the system does not tell."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    flags = next((line for line in lines if line.startswith("flags")), "")
    return set(flags.partition(":")[2].split())

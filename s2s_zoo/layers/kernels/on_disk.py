"""What JAX compiles is kept on disk."""

import warnings

import keras

from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.kept import private_folder

MOST_BYTES = 2 * 2**30


def keep_compiled() -> None:
    """Lets JAX keep on disk what it compiles, so that the next process need not.

    In JAX_COMPILATION_CACHE_DIR or, where that is not set, in a folder of the user's cache
    (XDG_CACHE_HOME), of 2 GB at most, what was used last. Where others may write into it, nothing
    is kept, and a warning says so: what lies there is run. Under the other backends nothing is kept
    either. TensorFlow has such a folder, but what it finds there depends on all that a process
    traced before.
    """
    if keras.backend.backend() != "jax":
        return
    import jax
    from jax.experimental.compilation_cache import compilation_cache

    if jax.config.jax_compilation_cache_dir is not None:
        return
    try:
        folder = private_folder("jax", "compiled programs")
    except CheckpointError as error:
        warnings.warn(f"Every process compiles anew. {error}", stacklevel=2)
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_compilation_cache_max_size", MOST_BYTES)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    compilation_cache.reset_cache()  # what was compiled before knows of no folder

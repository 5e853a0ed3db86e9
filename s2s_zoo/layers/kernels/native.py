"""What TensorFlow does better when asked in its own words; elsewhere it is plain Keras."""

import contextlib
import contextvars
from pathlib import Path

import keras
import numpy as np
from keras import ops

plain = contextvars.ContextVar("plain", default=False)


@contextlib.contextmanager
def plain_operations(wanted=True):
    """Graphs made inside are of plain operations, for formats that know no others."""
    token = plain.set(wanted)
    try:
        yield
    finally:
        plain.reset(token)


def empty(shape, dtype=None):
    """An initializer that sets nothing: memory that is not written takes no room yet."""
    if keras.backend.backend() != "tensorflow":
        return keras.ops.empty(shape, dtype)
    import tensorflow as tf

    return tf.raw_ops.Empty(shape=shape, dtype=dtype, init=False)


def tensor(value, dtype):
    """Returns what a weight of `dtype` can be assigned to hold an array, copied once.

    TensorFlow copies an array twice on its way in; memory on its boundary of 64 bytes it takes
    as it is.
    """
    value = value.astype(dtype) if dtype == "bfloat16" else value
    if keras.backend.backend() != "tensorflow" or dtype not in ("float16", "float32"):
        return value
    import tensorflow as tf

    memory = np.empty(value.size * np.dtype(dtype).itemsize + 64, "uint8")
    start = -memory.ctypes.data % 64
    taken = memory[start : start + len(memory) - 64].view(dtype).reshape(value.shape)
    taken[...] = value
    return tf.experimental.dlpack.from_dlpack(taken.__dlpack__())


def times_transposed(x, y):
    """Returns x y^T of (..., N, D) and (..., M, D), both of the same rank: (..., N, M).

    Of a product with `ops.transpose` TensorFlow makes one operation in float32 only; in bfloat16 it
    writes the transposed matrix out first.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.matmul(x, y, transpose_b=True)
    return keras.ops.matmul(x, keras.ops.swapaxes(y, -1, -2))


def train_function(model):
    """A train function for `fit` that is traced once for every shape, and knows each statically.

    Keras lets TensorFlow forget the lengths once it has seen two; then no loop can be unrolled.

    Returns:
        A function of an iterator, or None where Keras' own is right: on another backend, under
        a distribution strategy, run eagerly, with several steps an execution, or among
        `plain_operations`.
    """
    if keras.backend.backend() != "tensorflow" or model.run_eagerly or plain.get():
        return None
    import tensorflow as tf

    if tf.distribute.has_strategy() or model.steps_per_execution > 1:
        return None
    step, traces = tf.function(model.train_step, jit_compile=model.jit_compile), {}

    def function(iterator):
        data = next(iterator)
        shapes = tuple(tuple(tensor.shape) for tensor in keras.tree.flatten(data))
        if shapes not in traces:
            traces[shapes] = step.get_concrete_function(data)
        return traces[shapes](data)

    return function


def written_at(cache, index, value):
    """Returns cache (B, H, T, D) with value (B, H, 1, D) at position `index` of T."""
    if not plain.get():
        return ops.slice_update(cache, (0, 0, index, 0), value)
    here = ops.equal(ops.arange(cache.shape[2], dtype="int32"), index)
    return ops.where(ops.reshape(here, (1, 1, -1, 1)), value, cache)


def apply_adam(variable, moments, gradient, step, learning_rate, betas, epsilon):
    """Updates a variable and its two moments as `keras.optimizers.Adam` does, in one operation.

    Returns:
        Whether there is such an operation; else nothing was updated.
    """
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    if tf.distribute.has_strategy() or not isinstance(gradient, tf.Tensor):
        return False
    variable, m, v = (x.value if isinstance(x, keras.Variable) else x for x in (variable, *moments))
    dtype = variable.dtype
    step = tf.cast(step, dtype)
    beta_1, beta_2 = (tf.cast(beta, dtype) for beta in betas)
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=m.handle,
        v=v.handle,
        beta1_power=beta_1**step,
        beta2_power=beta_2**step,
        lr=tf.cast(learning_rate, dtype),
        beta1=beta_1,
        beta2=beta_2,
        epsilon=tf.cast(epsilon, dtype),
        grad=tf.cast(gradient, dtype),
    )
    return True


def summed(function, parts):
    """The sum of a function over parts, one of which at a time holds what it computes.

    TensorFlow makes the gradient of a part along with its value, and adds it to that of the parts
    before. Elsewhere a part is computed again for its gradient.

    Args:
        function: of the tensors of a part to a scalar. Its variables and the first tensor have a
            gradient.
        parts: list of tuples of tensors.
    """
    if keras.backend.backend() == "tensorflow":
        return _summed_with_gradients(function, parts)

    @keras.remat
    def add(so_far, first, *rest):
        # The zeros let each part wait for the one before, and its gradient for the one behind.
        value = function(first + ops.cast(0 * ops.stop_gradient(so_far), first.dtype), *rest)
        return so_far * (1 + 0 * ops.stop_gradient(value)) + value

    total = ops.zeros(())
    for part in parts:
        total = add(total, *part)
    return total


def _summed_with_gradients(function, parts):
    import tensorflow as tf

    @tf.custom_gradient
    def run(*firsts):
        total, of_firsts, of_variables = tf.zeros(()), [], {}
        for first, (_, *rest) in zip(firsts, parts, strict=True):
            with (
                tf.control_dependencies([total, *of_variables.values()]),
                tf.GradientTape() as tape,
            ):
                first = tf.identity(first)
                tape.watch(first)
                value = function(first, *rest)
            variables = tape.watched_variables()
            gradient, *gradients = tape.gradient(value, [first, *variables])
            total += value
            of_firsts.append(gradient)
            for variable, found in zip(variables, gradients, strict=True):
                before = of_variables.get(variable.ref())
                of_variables[variable.ref()] = found if before is None else before + found

        def grad(upstream, variables=()):
            firsts = [tf.cast(upstream, x.dtype) * x for x in of_firsts]
            found = [of_variables[x.ref()] for x in variables]
            return firsts, [tf.cast(upstream, x.dtype) * x for x in found]

        return total, grad

    return run(*(first for first, *_ in parts))


def fastest_precision():
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


def move_towards(variable, target, share):
    """Adds `share` of the way to a target of the same shape to a variable."""
    share = ops.cast(share, variable.dtype)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if not tf.distribute.has_strategy():
            resource = variable.value
            way = resource - tf.cast(target.value, resource.dtype)
            tf.raw_ops.ResourceApplyGradientDescent(var=resource.handle, alpha=share, delta=way)
            return
    variable.assign(variable + share * (ops.cast(target, variable.dtype) - variable))


def replicas():
    """Returns how many replicas of a model are trained side by side by a strategy of TensorFlow."""
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


def sum_over_replicas(value):
    """Returns the sum of a scalar over the replicas that train side by side."""
    if keras.backend.backend() != "tensorflow":
        return value
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return value
    return context.all_reduce("SUM", value)


def mirrored(devices):
    """Returns the number of devices, and a strategy over them or None where they are too few.

    Without a GPU the CPU is split, as long as TensorFlow has not computed yet.
    """
    import tensorflow as tf

    kind, found = "GPU", tf.config.list_physical_devices("GPU")
    if not found:
        kind, cpu = "CPU", tf.config.list_physical_devices("CPU")[0]
        if tf.config.get_logical_device_configuration(cpu) is None:
            parts = [tf.config.LogicalDeviceConfiguration()] * devices
            with contextlib.suppress(RuntimeError):  # it has computed: as many as there are
                tf.config.set_logical_device_configuration(cpu, parts)
        found = tf.config.list_logical_devices("CPU")
    names = [f"{kind}:{i}" for i in range(devices)]
    enough = len(found) >= devices
    return len(found), tf.distribute.MirroredStrategy(names) if enough else None

"""What training asks of TensorFlow in its own words; elsewhere it is plain Keras."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
from keras import ops

from s2s_zoo.layers.kernels import native
from s2s_zoo.layers.kernels.compiled import by_signature
from s2s_zoo.protocol.types import Tensor


def train_function(model: Any) -> Callable[[Iterator[Any]], Any] | None:
    """A train function for `fit` that is traced once for every shape, and knows each statically.

    Keras lets TensorFlow forget the lengths once it has seen two; then no loop can be unrolled.

    Returns:
        A function of an iterator, or None where Keras' own is right: on another backend, under
        a distribution strategy, run eagerly, with several steps an execution, or among
        `native.plain_operations`.
    """
    if keras.backend.backend() != "tensorflow" or model.run_eagerly or native.plain.get():
        return None
    import tensorflow as tf

    if tf.distribute.has_strategy() or model.steps_per_execution > 1:
        return None
    step = by_signature(tf.function(model.train_step, jit_compile=model.jit_compile))
    return lambda iterator: step(next(iterator))


def apply_adam(
    variable: Any,
    moments: tuple[Any, Any],
    gradient: Tensor,
    step: Tensor,
    learning_rate: Tensor,
    betas: tuple[float, float],
    epsilon: float,
) -> bool:
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


def summed(function: Callable[..., Tensor], parts: Sequence[tuple[Tensor, ...]]) -> Tensor:
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
            for variable, addend in zip(variables, gradients, strict=True):
                before = of_variables.get(variable.ref())
                of_variables[variable.ref()] = addend if before is None else before + addend

        def grad(upstream, variables=()):
            firsts = [tf.cast(upstream, x.dtype) * x for x in of_firsts]
            gradients = [of_variables[x.ref()] for x in variables]
            return firsts, [tf.cast(upstream, x.dtype) * x for x in gradients]

        return total, grad

    return run(*(first for first, *_ in parts))


def move_towards(variable: Any, target: Any, share: Tensor) -> None:
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


def replicas() -> int:
    """Returns how many replicas of a model are trained side by side by a strategy of TensorFlow."""
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


def sum_over_replicas(value: Tensor) -> Tensor:
    """Returns the sum of a scalar over the replicas that train side by side."""
    if keras.backend.backend() != "tensorflow":
        return value
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return value
    return context.all_reduce("SUM", value)


def mirrored(devices: int) -> tuple[int, Any]:
    """Returns the number of devices, and a strategy over them or None where they are too few.

    Without a GPU the CPU is split, as long as TensorFlow has not computed yet.
    """
    import tensorflow as tf

    kind, known = "GPU", tf.config.list_physical_devices("GPU")
    if not known:
        kind, cpu = "CPU", tf.config.list_physical_devices("CPU")[0]
        if tf.config.get_logical_device_configuration(cpu) is None:
            parts = [tf.config.LogicalDeviceConfiguration()] * devices
            with contextlib.suppress(RuntimeError):  # it has computed: as many as there are
                tf.config.set_logical_device_configuration(cpu, parts)
        known = tf.config.list_logical_devices("CPU")
    names = [f"{kind}:{i}" for i in range(devices)]
    enough = len(known) >= devices
    return len(known), tf.distribute.MirroredStrategy(names) if enough else None

"""How often a backend compiles or traces something, and how to let JAX do so less often."""

from contextlib import contextmanager

import keras
import pytest

_OF_JAX = []  # a listener of JAX stays for ever


@contextmanager
def compilations():
    """Within it the list that it gives grows by one for each compilation: of JAX each function
    that XLA compiles, of TensorFlow each graph, of torch each frame that is looked at to compile.
    """
    made = []
    with pytest.MonkeyPatch.context() as patch:
        if keras.backend.backend() == "jax":
            _listen_to_jax()
            before = len(_OF_JAX)
            yield made
            made += _OF_JAX[before:]
        elif keras.backend.backend() == "tensorflow":
            from tensorflow.python.framework.func_graph import FuncGraph

            begin = FuncGraph.__init__
            patch.setattr(
                FuncGraph,
                "__init__",
                lambda self, *a, **k: (made.append(a), begin(self, *a, **k))[1],
            )
            yield made
        else:
            from torch._dynamo.utils import counters

            before = counters["frames"]["total"]
            yield made
            made += ["frame"] * (counters["frames"]["total"] - before)


def one_program(function):
    """The function, on JAX as one program: by itself each of its operations would be compiled.

    What it does to variables is lost there.
    """
    if keras.backend.backend() != "jax":
        return function
    import jax

    def stateless(*arguments):
        with keras.StatelessScope():
            return function(*arguments)

    return jax.jit(stateless)


def _listen_to_jax():
    import jax.monitoring

    if not _OF_JAX:
        _OF_JAX.append("listening")
        jax.monitoring.register_event_duration_secs_listener(
            lambda name, seconds, **of: (
                name.endswith("backend_compile_duration") and _OF_JAX.append(of)
            )
        )

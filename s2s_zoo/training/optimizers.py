"""Optimizers."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.protocol.types import Tensor
from s2s_zoo.training import on_tensorflow


@keras.saving.register_keras_serializable("s2s_zoo")
class Adam(keras.optimizers.Adam):
    """Keras' Adam (Kingma and Ba 2015, 1412.6980), in fewer passes over memory with TensorFlow.

    Keras updates the moments and the variable in a dozen operations, each of which reads and
    writes arrays of the size of the variable. Here they are one, with the same results, where
    TensorFlow has it: for dense gradients, without AMSGrad and outside a distribution strategy.

    A moving average of the weights (`use_ema=True`) begins with little memory, else the weights
    from before training would stay in it for thousands of steps. After step t it is

        average = m average + (1 - m) weight,  m = min(ema_momentum, (1 + t) / (10 + t))

    as in `tf.train.ExponentialMovingAverage` with `num_updates`, and after the first the weight.

    Args:
        as `keras.optimizers.Adam`.
    """

    def update_step(self, gradient: Tensor, variable: Any, learning_rate: Tensor) -> None:
        """Updates a variable and its moments."""
        index = self._get_variable_index(variable)
        updated = not self.amsgrad and on_tensorflow.apply_adam(
            variable,
            (self._momentums[index], self._velocities[index]),
            gradient,
            step=self.iterations + 1,
            learning_rate=learning_rate,
            betas=(self.beta_1, self.beta_2),
            epsilon=self.epsilon,
        )
        if not updated:
            super().update_step(gradient, variable, learning_rate)

    def _update_model_variables_moving_average(self, trainable_variables):
        if not self.use_ema:
            return
        step = ops.cast(self.iterations, "float32")  # before it is counted: 0 in the first
        momentum = ops.minimum(self.ema_momentum, (1 + step) / (10 + step))
        share = 1 - momentum * ops.cast(step > 0, "float32")
        averages = self._model_variables_moving_average
        for variable, average in zip(trainable_variables, averages, strict=True):
            if average is not None:
                on_tensorflow.move_towards(average, variable, share)

    def finalize_variable_values(self, var_list: list[Any]) -> None:
        """Gives the variables their averages, at the end of `fit`."""
        super().finalize_variable_values(var_list)
        if self.use_ema and keras.backend.backend() == "jax":
            # A variable and its average are one array now, and the next `fit` gives both away.
            for variable in var_list:
                variable.assign(ops.copy(variable.value))

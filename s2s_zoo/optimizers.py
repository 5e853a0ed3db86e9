"""Optimizers."""

import keras

from s2s_zoo import native


@keras.saving.register_keras_serializable("s2s_zoo")
class Adam(keras.optimizers.Adam):
    """Keras' Adam (Kingma and Ba 2015, 1412.6980), in fewer passes over memory with TensorFlow.

    Keras updates the moments and the variable in a dozen operations, each of which reads and
    writes arrays of the size of the variable. Here they are one, with the same results, where
    TensorFlow has it: for dense gradients, without AMSGrad and outside a distribution strategy.

    Args:
        as `keras.optimizers.Adam`.
    """

    def update_step(self, gradient, variable, learning_rate):
        """Updates a variable and its moments."""
        index = self._get_variable_index(variable)
        done = not self.amsgrad and native.apply_adam(
            variable,
            (self._momentums[index], self._velocities[index]),
            gradient,
            step=self.iterations + 1,
            learning_rate=learning_rate,
            betas=(self.beta_1, self.beta_2),
            epsilon=self.epsilon,
        )
        if not done:
            super().update_step(gradient, variable, learning_rate)

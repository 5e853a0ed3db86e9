"""The sequence-to-sequence model: an encoder and a decoder."""

from typing import Any, Self

import keras
from keras import ops

from s2s_zoo.decoders import DECODERS
from s2s_zoo.encoders import ENCODERS
from s2s_zoo.layers.config import Quantized, build_from, check_arguments, config_of
from s2s_zoo.layers.kernels.native import plain_operations
from s2s_zoo.layers.output import deferred, is_deferred
from s2s_zoo.layers.policy import under_policy
from s2s_zoo.model.checks import check_arrays, check_inputs, check_parts, refuse_class_weight
from s2s_zoo.protocol import EncoderOutput
from s2s_zoo.protocol.registry import check_keys
from s2s_zoo.protocol.types import Config, StrPath, Tensor
from s2s_zoo.training import on_tensorflow
from s2s_zoo.training.loss_in_parts import loss_in_parts
from s2s_zoo.training.losses import SmoothedCrossEntropy
from s2s_zoo.training.scheduled_sampling import with_own_words


@keras.saving.register_keras_serializable("s2s_zoo")
class Seq2Seq(Quantized, keras.Model):
    """An encoder and a decoder, trained by teacher forcing.

    The model is built when it is made, so weights can be loaded at once.

    Args:
        encoder: a layer with `source_shape`, `memory_dim` and `state_dim` that returns an
            EncoderOutput, or its config.
        decoder: a layer with `init` and `step`, or its config.
        share_embeddings: bool, one embedding for source and target; both need the same
            vocabulary and width.

    Call arguments:
        inputs: dict of "source" ((B, S) ids, or (B, H, W, 3) images) and "target" (B, T) ids
            that begin with START; in training perhaps "gold" (B, T) bool, for scheduled sampling.

    Returns:
        logits (B, T, V).

    Raises:
        ValueError: for an unknown name or option, parts that are no encoder and no decoder, or
            embeddings that cannot be shared.
    """

    train_function: Any  # of Keras

    def __init__(
        self,
        encoder: Any,
        decoder: Any,
        share_embeddings: bool = False,
        name: str = "seq2seq",
        **kwargs: Any,
    ) -> None:
        check_arguments(type(self), kwargs)
        super().__init__(name=name, **kwargs)
        self.encoder = build_from(ENCODERS, encoder, "encoder", name="encoder")
        self.decoder = build_from(DECODERS, decoder, "decoder", name="decoder")
        check_parts(self.encoder, self.decoder)
        self.share_embeddings = share_embeddings
        if share_embeddings:
            ours, theirs = self.encoder.embedding, self.decoder.embedding
            if ours.get_config() != {**theirs.get_config(), "name": ours.name}:
                raise ValueError(
                    "Seq2Seq can share embeddings of one size only. Received: encoder "
                    f"{ours.vocabulary_size} x {ours.embedding_dim}, decoder "
                    f"{theirs.vocabulary_size} x {theirs.embedding_dim}. Use one vocabulary and "
                    "one embedding_dim, or share_embeddings=False."
                )
            self.decoder.embedding = ours
            theirs.built = True  # or Keras, which still knows it, takes no model for finished
        self.build()

    def __reduce__(self) -> Any:
        """A copy has the weights, the dtype and the optimizer; LoRA's matrices are in the sums."""
        make, arguments = super().__reduce__()
        return under_policy, (self.dtype_policy.name, make, *arguments)

    def __repr__(self) -> str:
        parts = f"{type(self.encoder).__name__} → {type(self.decoder).__name__}"
        size = f"{self.count_params():,} parameters"
        return f"<Seq2Seq {self.name}: {parts}, {size}, {self.dtype_policy.name}>"

    def build(self, input_shape: Any = None) -> None:
        encoder = self.encoder
        if not encoder.built:
            encoder.build(encoder.source_shape)
        encoded = EncoderOutput(
            memory=(None, None, encoder.memory_dim),
            mask=(None, None),
            state=(None, encoder.state_dim),
        )
        if not self.decoder.built:
            self.decoder.build((None, None), encoded)
        self.built = True

    def encode(self, source: Tensor, training: bool = False) -> EncoderOutput:
        """Returns the EncoderOutput of a source."""
        return self.encoder(source, training=training)

    def call(self, inputs: dict[str, Tensor], training: bool = False) -> Tensor:
        check_inputs(inputs)
        if getattr(getattr(self, "loss", None), "as_written", False):
            training = False
        encoded = self.encode(inputs["source"], training=training)
        target = inputs["target"]
        if training and "gold" in inputs:
            target = with_own_words(self.decoder, target, inputs["gold"], encoded)
        return self.decoder(target, encoded, training=training)

    def fit(
        self, x: Any = None, y: Any = None, *args: Any, shuffle: bool | None = None, **kwargs: Any
    ) -> Any:
        """As `keras.Model.fit`, but data sets keep their own order unless `shuffle` is given.

        Padding among the labels never counts. `sample_weight` is of rows, (B,), or of tokens,
        (B, T).

        Raises:
            ValueError: for arrays with ids outside the vocabulary, inputs that are no dict, or
                `class_weight`.
        """
        refuse_class_weight(kwargs.get("class_weight"))
        check_arrays(self, x, y)
        if isinstance(held_out := kwargs.get("validation_data"), tuple | list):
            check_arrays(self, *held_out[:2])
        shuffle = isinstance(x, dict) if shuffle is None else shuffle
        return super().fit(x, y, *args, shuffle=shuffle, **kwargs)

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.evaluate`, with the checks of `fit`."""
        check_arrays(self, x, y)
        return super().evaluate(x, y, *args, **kwargs)

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """As `keras.Model.train_on_batch`, with the checks of `fit`."""
        refuse_class_weight(class_weight)
        check_arrays(self, x, y)
        return super().train_on_batch(x, y, sample_weight, return_dict=return_dict)

    def test_on_batch(self, x: Any, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.test_on_batch`, with the checks of `fit`."""
        check_arrays(self, x, y)
        return super().test_on_batch(x, y, *args, **kwargs)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.predict`, with the checks of `fit`."""
        check_arrays(self, x)
        return super().predict(x, *args, **kwargs)

    def predict_on_batch(self, x: Any) -> Any:
        """As `keras.Model.predict_on_batch`, with the checks of `fit`."""
        check_arrays(self, x)
        return super().predict_on_batch(x)

    def compile(self, *args: Any, loss_parts: int = 1, **kwargs: Any) -> None:
        """As `keras.Model.compile`.

        Args:
            loss_parts: int, K. In training the logits exist for a Kth of the target tokens at a
                time: less memory where the vocabulary is large. The gradient is the same. JAX and
                torch make the logits twice.

        Raises:
            ValueError: for parts of another loss than `SmoothedCrossEntropy`, beside metrics, or
                of a decoder with a pointer.
        """
        super().compile(*args, **kwargs)
        if loss_parts != 1:
            self._check_parts(loss_parts, kwargs)
        self.loss_parts = loss_parts
        if keras.backend.backend() == "tensorflow" and on_tensorflow.replicas() > 1:
            self.compute_loss(y=ops.zeros((1, 1), "int32"), y_pred=ops.zeros((1, 1, 2)))
            self.optimizer.build(self.trainable_variables)

    def get_compile_config(self) -> Config:
        """How the model is compiled, for a `.keras` file; see `compile_from_config`."""
        config = super().get_compile_config()
        if config:
            config |= {"loss_parts": self.loss_parts, "backend": keras.backend.backend()}
            config["optimizer_built"] = self.optimizer.built
        return config

    def compile_from_config(self, config: Config) -> None:
        """Compiles the model as one was; whether by XLA, its own backend alone knows."""
        config, here = dict(config), keras.backend.backend()
        parts, backend = config.pop("loss_parts", 1), config.pop("backend", here)
        built = config.pop("optimizer_built", True)
        if backend != here:
            config["jit_compile"] = here == "jax"
        self.compile(**keras.saving.deserialize_keras_object(config), loss_parts=parts)
        if built:
            self.optimizer.build(self.trainable_variables)

    def _check_parts(self, parts, kwargs):
        refused = [name for name in ("metrics", "weighted_metrics") if kwargs.get(name)]
        if not isinstance(self.loss, SmoothedCrossEntropy):
            refused.append(f"loss={self.loss!r}")
        if getattr(self.decoder, "pointer", None) is not None:
            refused.append("a decoder with a pointer")
        if parts < 1 or refused:
            raise ValueError(
                "compile expected loss_parts of at least 1, with loss=SmoothedCrossEntropy(...), "
                "no metrics of logits and a decoder without a pointer. Received: "
                f"{', '.join([f'loss_parts={parts}', *refused])}. Leave loss_parts out."
            )

    def train_step(self, *args: Any) -> Any:
        with deferred(getattr(self, "loss_parts", 1) > 1):
            return super().train_step(*args)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        """As `keras.Model.compute_loss`."""
        if not is_deferred():
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        loss = loss_in_parts(self.decoder, self.loss, y, y_pred, sample_weight, self.loss_parts)
        return loss + sum(ops.sum(ops.cast(x, loss.dtype)) for x in self.losses)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras would take a batch of mean ids out of the first epoch; `compile` built all it needs.
        pass

    def make_train_function(self, force: bool = False) -> None:
        if self.train_function is None or force:
            self.train_function = on_tensorflow.train_function(self)
        if self.train_function is None:
            super().make_train_function(force)

    def export(
        self,
        filepath: StrPath,
        format: str = "tf_saved_model",
        verbose: bool | None = None,
        input_signature: Any = None,
        **kwargs: Any,
    ) -> None:
        """As `keras.Model.export`: the logits of a source and a target of any length.

        What searches too is exported by `s2s_zoo.export`.
        """
        if input_signature is None:
            shape = self.encoder.source_shape
            source = keras.InputSpec(shape=shape, dtype="int32" if len(shape) == 2 else "float32")
            target = keras.InputSpec(shape=(None, None), dtype="int32")
            input_signature = [{"source": source, "target": target}]
        with plain_operations():
            super().export(filepath, format, verbose, input_signature, **kwargs)

    def get_config(self) -> Config:
        """Plain JSON: what the network is, never how it was initialised or trained."""
        modes = self.quantized_within()
        return {
            "encoder": config_of(ENCODERS, self.encoder),
            "decoder": config_of(DECODERS, self.decoder),
            "share_embeddings": self.share_embeddings,
            **({"quantized": modes} if modes else {}),
        }

    @classmethod
    def from_config(cls, config: Config, custom_objects: Any = None) -> Self:
        """Builds the model of a config; the weights are new."""
        config = dict(config)
        check_keys(config, ("encoder", "decoder", "share_embeddings", "quantized"), "model")
        modes = config.pop("quantized", [])
        for part in ("encoder", "decoder"):
            if part not in config:
                raise ValueError(f"The model config needs {part!r}. Received: {sorted(config)}.")
        model = cls(**config)
        model.quantize_again(modes)
        return model

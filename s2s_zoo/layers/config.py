"""Layers and functions from plain-JSON configs, and back. Names come from tables; nothing is
imported."""

import functools
import inspect
from collections.abc import Mapping
from typing import Any, TypeAlias

import keras

from s2s_zoo.layers.policy import dtype_policy
from s2s_zoo.protocol.registry import check_keys, lookup, unknown_name
from s2s_zoo.protocol.types import Config

# A layer, its name in a table, or a dict with "name" and constructor arguments.
LayerSpec: TypeAlias = keras.layers.Layer | str | Config

OF_KERAS = ("activity_regularizer", "autocast", "dtype", "name", "trainable")


class Quantized(keras.layers.Layer):
    """A layer that can say which of the layers within are quantized, and quantize these again."""

    def quantized_within(self) -> list[str | None]:
        """How each of the layers within is quantized; empty where none is."""
        within = self._flatten_layers(include_self=False)
        modes = [getattr(layer, "quantization_mode", None) for layer in within]
        return modes if any(modes) else []

    def quantize_again(self, modes: list[str | None]) -> None:
        """Quantizes what `quantized_within` said of a layer of the same config.

        Raises:
            ValueError: for modes of another number of layers.
        """
        within = list(self._flatten_layers(include_self=False))
        if modes and len(modes) != len(within):
            raise ValueError(
                f"{type(self).__name__} expected a mode, or None, for each of the {len(within)} "
                f"layers within. Received: {len(modes)}. Save the model again."
            )
        for layer, mode in zip(within, modes, strict=False):
            if mode and not layer.quantization_mode:
                layer.quantize(mode)


class ConfiguredLayer(Quantized):
    """A layer with a config of its constructor's arguments: the attributes of the same names.

    A subclass has `in_config` for arguments of which it keeps something else, such as a layer. The
    layers that it makes, in `__init__` or in `build`, have its dtype policy.
    """

    def __init__(self, **kwargs: Any) -> None:
        check_arguments(type(self), kwargs)
        super().__init__(**kwargs)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, under_policy in (
            ("__init__", _init_under_policy),
            ("build", _build_under_policy),
        ):
            if name in cls.__dict__:
                setattr(cls, name, under_policy(cls.__dict__[name]))

    def in_config(self) -> Config:
        """Returns a dict of the arguments (plain JSON) that the attributes of their names are not.

        Names that the constructor does not have are left out.
        """
        return {}

    def get_config(self) -> Config:
        others = self.in_config()
        arguments = {
            name: others[name] if name in others else getattr(self, name)
            for name in _parameters(type(self))
        }
        return {**super().get_config(), **arguments}

    def get_build_config(self) -> Config | None:
        """As Keras has it, and which of the layers within are quantized: a file of them loads."""
        config, modes = super().get_build_config(), self.quantized_within()
        return {**config, "quantized": modes} if config and modes else config

    def build_from_config(self, config: Config) -> None:
        super().build_from_config(config)
        self.quantize_again(config.get("quantized", []))


def check_arguments(layer_class: Any, given: Config) -> None:
    """Raises ValueError for an argument that only Keras could know, and does not.

    Args:
        layer_class: class of the layer; the error names the nearest arguments it has.
        given: dict of those that were given by name and are none of its own.
    """
    for name in given:
        if name not in OF_KERAS:
            layers = [x for x in layer_class.__mro__ if issubclass(x, keras.layers.Layer)]
            ours = [x for x in layers if x.__module__.split(".")[0] != "keras"]
            known = {key for each in ours for key in _parameters(each)} - {*OF_KERAS}
            raise ValueError(unknown_name(known, name, f"argument of {layer_class.__name__}"))


def _init_under_policy(init):
    @functools.wraps(init)
    def run(self, *args, dtype=None, **kwargs):
        with dtype_policy(dtype):
            init(self, *args, **kwargs)

    run.__signature__ = inspect.signature(init)  # Keras reads it
    return run


def _build_under_policy(build):
    @functools.wraps(build)
    def run(self, *args, **kwargs):
        with dtype_policy(self.dtype_policy):
            build(self, *args, **kwargs)

    return run


def build_from(
    table: Mapping[str, Any], config: LayerSpec | None, kind: str, name: str | None = None
) -> Any:
    """Makes a layer, or a function, of a table from its description.

    Args:
        table: dict from names to layer classes, or to what makes a function.
        config: a layer (returned as it is), a name, a dict with "name" and constructor
            arguments, or None (returned as it is).
        kind: str, what the table holds, for errors.
        name: str, the name of the new layer.

    Raises:
        ValueError: for an unknown name or argument (the nearest are named), or a missing one; for
            a class, of which no layer was made.
    """
    if config is None or isinstance(config, keras.layers.Layer):
        return config
    if inspect.isclass(config):
        raise ValueError(
            f"An {kind} is described by a layer, a name or a dict with a 'name'. Received: the "
            f"class {config.__name__}. Make a layer of it: {config.__name__}(…)."
        )
    if isinstance(config, str):
        config = {"name": config}
    if not isinstance(config, dict) or "name" not in config:
        raise ValueError(
            f"An {kind} is described by a layer, a name or a dict with a 'name'. "
            f"Received: {config!r}."
        )
    arguments = {key: value for key, value in config.items() if key != "name"}
    layer_class = lookup(table, config["name"], kind)
    parameters = _parameters(layer_class)
    check_keys(arguments, parameters, f"{config['name']} {kind}")
    missing = [
        key
        for key, parameter in parameters.items()
        if parameter.default is inspect.Parameter.empty and key not in arguments
    ]
    if missing:
        raise ValueError(
            f"The {config['name']} {kind} needs {', '.join(missing)}. Received: {config!r}."
        )
    return layer_class(**arguments, **({"name": name} if name else {}))


def config_of(table: Mapping[str, Any], layer: keras.layers.Layer | None) -> Config | None:
    """The plain-JSON description of a layer: its name in the table and constructor arguments.

    Raises:
        ValueError: if the class of the layer is not in the table.
    """
    if layer is None:
        return None
    for name, layer_class in table.items():
        if type(layer) is layer_class:
            config = layer.get_config()
            return {"name": name, **{key: config[key] for key in _parameters(layer_class)}}
    raise ValueError(
        f"{type(layer).__name__} has no name in the table, so it cannot be described in a "
        f"config. Known: {', '.join(table)}."
    )


def _parameters(layer_class):
    makes = layer_class.__init__ if inspect.isclass(layer_class) else layer_class
    parameters = inspect.signature(makes).parameters
    return {
        name: parameter
        for name, parameter in parameters.items()
        if name != "self" and parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }

"""Layers and functions from plain-JSON configs, and back. Names come from tables; nothing is
imported."""

import functools
import inspect
from collections.abc import Mapping
from typing import Any, TypeAlias

import keras

from s2s_zoo.layers.policy import dtype_policy
from s2s_zoo.protocol.registry import check_keys, lookup
from s2s_zoo.protocol.types import Config

# A layer, its name in a table, or a dict with "name" and constructor arguments.
LayerSpec: TypeAlias = keras.layers.Layer | str | Config


class ConfiguredLayer(keras.layers.Layer):
    """A layer with a config of its constructor's arguments: the attributes of the same names.

    A subclass has `in_config` for arguments of which it keeps something else, such as a layer. The
    layers that it makes, in `__init__` or in `build`, have its dtype policy.
    """

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
        config = super().get_build_config()
        modes = [getattr(layer, "quantization_mode", None) for layer in self._layers_within()]
        return {**config, "quantized": modes} if config and any(modes) else config

    def build_from_config(self, config: Config) -> None:
        super().build_from_config(config)
        modes = config.get("quantized", [])
        for layer, mode in zip(self._layers_within() if modes else [], modes, strict=True):
            if mode and not layer.quantization_mode:
                layer.quantize(mode)

    def _layers_within(self):
        return list(self._flatten_layers(include_self=False))


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
        ValueError: for an unknown name or argument (the nearest are named), or a missing one.
    """
    if config is None or isinstance(config, keras.layers.Layer):
        return config
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

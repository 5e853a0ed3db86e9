"""Lookup by name in the tables of the package, with errors that name the nearest entries."""

import difflib
from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeVar

Entry = TypeVar("Entry")


def lookup(table: Mapping[str, Entry], name: Any, kind: str) -> Entry:
    """Returns `table[name]`.

    Args:
        table: dict from names to anything.
        name: str.
        kind: str, what the table holds ("encoder", "checkpoint", …), for the error.

    Raises:
        ValueError: if `name` is not in the table; the message names the nearest entries.
    """
    if isinstance(name, str) and name in table:
        return table[name]
    raise ValueError(unknown_name(table, name, kind))


def unknown_name(names: Iterable[Any], name: Any, kind: str) -> str:
    """The error text for a name that is not among `names`."""
    names = sorted(map(str, names))
    near = difflib.get_close_matches(str(name), names, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
    return f"Unknown {kind}. Received: {name!r}. {hint}Known: {', '.join(names) or 'none'}."


def check_keys(config: Iterable[str], allowed: Iterable[str], kind: str) -> None:
    """Raises ValueError if `config` has a key outside `allowed`, naming the nearest."""
    for key in config:
        if key not in allowed:
            raise ValueError(unknown_name(allowed, key, f"key in the {kind} config"))


def check_option(owner: str, option: str, value: Any, allowed: Collection[Any]) -> None:
    """Raises ValueError if `value` of an option of `owner` is not among `allowed`."""
    if value not in allowed:
        raise ValueError(
            f"{owner} expected {option} to be one of {allowed}. Received: {option}={value!r}."
        )

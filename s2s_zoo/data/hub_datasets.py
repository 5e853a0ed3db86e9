"""Data sets of the Hugging Face Hub by their names, with the package `datasets`."""

import re
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeGuard

from s2s_zoo.protocol.errors import DataError

DATASETS = "hf://datasets/"
FORM = f"{DATASETS}organization/name[@revision][/configuration][:split]"
ADDRESS = re.compile(
    rf"{DATASETS}(?P<repo>[^/@:]+/[^/@:]+)(?:@(?P<revision>[^/:]+))?"
    r"(?:/(?P<configuration>[^/:]+))?(?::(?P<split>.+))?"
)
NEEDED = "A data set of the Hub needs a package: pip install 's2s-zoo[datasets]'"


class Address(NamedTuple):
    """What the name of a data set says."""

    repo: str
    revision: str | None
    configuration: str | None
    split: str | None

    def __str__(self) -> str:
        parts = (("@", self.revision), ("/", self.configuration), (":", self.split))
        return f"{DATASETS}{self.repo}" + "".join(sign + x for sign, x in parts if x)


def is_address(data: Any) -> TypeGuard[str]:
    """Whether something is the name of a data set of the Hub."""
    return isinstance(data, str) and data.startswith(DATASETS)


def parse_address(address: str) -> Address:
    """Takes the name of a data set apart.

    Raises:
        DataError: for a name of another form.
    """
    found = ADDRESS.fullmatch(address)
    if not found:
        raise DataError(
            f"{address!r} is not the name of a data set. The form is {FORM}, such as "
            f"{DATASETS}wmt/wmt14/de-en:test."
        )
    return Address(**found.groupdict())


def with_split(address: str, names: Sequence[str]) -> str:
    """The name of a data set with the first of these splits that it has.

    Raises:
        DataError: where it has none of them, or as `hub_rows` does.
    """
    wanted = parse_address(address)
    with _one_line(address) as datasets:
        configuration, splits = _parts(datasets, wanted)
    found = next((name for name in names if name in splits), None)
    if found is None:
        raise DataError(_not_there(wanted, "split", names[0], splits))
    return str(wanted._replace(configuration=configuration, split=found))


def hub_rows(address: str) -> Iterable[dict[str, Any]]:
    """The rows of one split of a data set, downloaded once into the cache of `datasets`.

    Args:
        address: as `FORM` says; the split may be a part of one, such as "train[:1000]". A
            configuration or a split that is the only one may be left out. Nothing that is in the
            repository is executed.

    Raises:
        DataError: where `datasets` is not installed, there is no such data set, or several
            configurations or splits could be meant.
    """
    wanted = parse_address(address)
    with _one_line(address) as datasets:
        configuration, splits = _parts(datasets, wanted)
        split = wanted.split or _only(splits, "split", wanted._replace(configuration=configuration))
        if (name := re.split(r"[\[+]", split)[0]) not in splits:
            raise DataError(_not_there(wanted, "split", name, splits))
        path = DATASETS + wanted.repo
        return datasets.load_dataset(path, configuration, split=split, revision=wanted.revision)


def _parts(datasets, wanted):
    """The configuration that is meant, and the splits that it has."""
    path = DATASETS + wanted.repo
    names = datasets.get_dataset_config_names(path, revision=wanted.revision)
    configuration = wanted.configuration or _only(names, "configuration", wanted)
    if configuration not in names:
        raise DataError(_not_there(wanted, "configuration", configuration, names))
    splits = datasets.get_dataset_split_names(path, configuration, revision=wanted.revision)
    return configuration, splits


@contextmanager
def _one_line(address):
    """Gives the package `datasets`, and turns what it raises into a DataError of one line."""
    datasets = _require_datasets()
    try:
        yield datasets
    except DataError:
        raise
    except (datasets.exceptions.DatasetsError, OSError, ValueError, RuntimeError) as error:
        raise DataError(f"{address} cannot be loaded: {_reason(error)}") from None


def _require_datasets():
    try:
        import datasets
    except ModuleNotFoundError as error:
        raise DataError(NEEDED) from error
    if int(datasets.__version__.partition(".")[0]) < 5:  # would look for a folder of that name
        raise DataError(f"{NEEDED}, 5.0 or newer. Received: {datasets.__version__}.")
    return datasets


def _only(names, kind, address):
    if len(names) == 1:
        return names[0]
    example = address._replace(**{kind: names[-1]})
    raise DataError(
        f"{address} has the {kind}s {', '.join(names)}. Name one, such as {str(example)!r}."
    )


def _not_there(address, kind, name, names):
    return f"{address} has no {kind} {name!r}. There are: {', '.join(names)}."


def _reason(error):
    """What the package says, in one line, without the token that may have been sent."""
    from huggingface_hub import get_token

    text = " ".join(str(error).split()).replace(get_token() or "\0", "***")
    if not isinstance(error, ConnectionError):
        return f"{text:.300}"
    return f"{text:.200}. Check the network; what was loaded once is in the cache."

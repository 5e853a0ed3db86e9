"""Short names for modules that stand deeper: `from s2s_zoo.callbacks import …`.

One module has both names, so its classes are registered with Keras once.
"""

import importlib
import importlib.abc
import importlib.util
import sys


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds a module under its short name, and gives the one under its own."""

    def __init__(self, names):
        self.names = names

    def find_spec(self, fullname, path=None, target=None):
        return importlib.util.spec_from_loader(fullname, self) if fullname in self.names else None

    def create_module(self, spec):
        module = importlib.import_module(self.names[spec.name])
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module):
        """It has run already, and is what it was: importlib has just given it the other spec."""
        module.__spec__ = module.__spec__.loader_state


def install(package: str, names: dict[str, str]) -> None:
    """Makes `package.NAME` another name of `package.PLACE`, for each {NAME: PLACE} of `names`."""
    places = {f"{package}.{name}": f"{package}.{place}" for name, place in names.items()}
    sys.meta_path.insert(0, _Finder(places))

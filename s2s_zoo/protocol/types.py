"""Names for what annotations say again and again. The shapes of tensors are in the docstrings."""

import os
from collections.abc import Callable
from typing import Any, TypeAlias

Tensor: TypeAlias = Any  # of whatever backend, symbolic or not, or an array
Nest: TypeAlias = Any  # tensors in dicts, lists and tuples
Shape: TypeAlias = tuple[Any, ...]  # ints, and None where a size is open
Config: TypeAlias = dict[str, Any]  # plain JSON
StrPath: TypeAlias = str | os.PathLike[str]
Step: TypeAlias = Callable[[Tensor, Tensor, Nest, Nest], tuple[Tensor, Nest]]

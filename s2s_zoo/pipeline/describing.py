"""What a pipeline says of itself, in a line and in a notebook."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from s2s_zoo.pipeline.pipeline import Pipeline


def described(pipeline: Pipeline) -> dict[str, str]:
    """What a pipeline is: its task, languages, model, processor, parameters, dtype and origin."""
    model, codes = pipeline.model, [str(code) for code in pipeline.languages]
    languages = " → ".join(filter(None, [", ".join(codes[:-1]), *codes[-1:]]))
    members = getattr(model, "members", [model])
    parts = [f"{type(x.encoder).__name__} → {type(x.decoder).__name__}" for x in members]
    said = {
        "task": pipeline.task,
        "languages": languages,
        "model": " + ".join(parts),
        "processor": type(pipeline.processor).__name__,
        "parameters": f"{model.count_params():,}",
        "dtype": str(model.dtype_policy.name),
        "engine": " ".join(pipeline.engine or ()),
        "from": pipeline.origin or "",
    }
    return {name: value for name, value in said.items() if value}


def as_line(pipeline: Pipeline) -> str:
    """The `repr` of a pipeline."""
    said = described(pipeline)
    first = said.pop("task")
    return f"Pipeline({', '.join([first, *(f'{name}: {value}' for name, value in said.items())])})"


def as_html(pipeline: Pipeline) -> str:
    """A table for a notebook."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{name}</th>"
        f"<td style='text-align:left'>{html.escape(value)}</td></tr>"
        for name, value in described(pipeline).items()
    )
    return f"<table>{rows}</table>"

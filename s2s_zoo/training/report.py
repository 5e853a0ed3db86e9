"""A training as a page: curves, samples epoch by epoch, what was looked at, the command."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

WIDTH, HEIGHT, MARGIN = 340, 150, 42
STYLE = """
:root{color-scheme:light dark;--line:#6a63f0;--faint:#8884}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem}
code{background:var(--faint);padding:.1em .3em;border-radius:4px;overflow-wrap:anywhere}
table{border-collapse:collapse;display:block;overflow-x:auto}
td,th{padding:.2rem .6rem;text-align:left;border-bottom:1px solid var(--faint)}
.curves{display:flex;flex-wrap:wrap;gap:1rem}.curves svg{width:21rem;max-width:100%}
svg text{fill:currentColor;font-size:11px}path{fill:none;stroke:var(--line);stroke-width:2}
circle{fill:var(--line)}.best{font-weight:600}
.map td,.map th{padding:.1rem .3rem;border:0;font-size:.8rem}
.map thead th{writing-mode:vertical-rl;transform:rotate(180deg)}
"""


def page(summary: dict[str, Any]) -> str:
    """Returns the page of a report; it needs nothing but itself.

    Args:
        summary: dict, what report.json has: "epochs", and where there are some "progress",
            "samples", "looked", "command", "signatures", "minutes" and "best".
    """
    epochs = summary["epochs"]
    rows = {row["epoch"]: dict(row) for row in epochs}
    for row in summary.get("progress", ()):
        rows.setdefault(row["epoch"], {}).update(row)
    names = [name for name in dict.fromkeys(key for row in rows.values() for key in row)]
    names = [name for name in names if name not in ("epoch", "seconds")]
    best = (summary.get("best") or {}).get("epoch")
    curves = "".join(_curve(name, rows, best) for name in names)
    parts = [
        f"<h1>{escape(summary.get('title', 'A training'))}</h1>",
        f"<p>{len(epochs)} epochs, {summary.get('minutes', 0.0):.1f} minutes"
        + (f", the best is {best}." if best else ".")
        + "</p>",
        f"<p><code>{escape(summary['command'])}</code></p>" if summary.get("command") else "",
        f'<h2>Curves</h2><div class="curves">{curves}</div>',
        f"<h2>Epochs</h2>{_table(names, rows, best)}",
        _signatures(summary.get("signatures", {})),
        _samples(summary.get("samples", ()), best),
        *(_map(**looked) for looked in summary.get("looked", ())),
    ]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" '
        'content="width=device-width"><title>A training</title>'
        f"<style>{STYLE}</style>{''.join(parts)}</html>\n"
    )


def _curve(name: str, rows: dict[int, dict[str, Any]], best: int | None) -> str:
    points = [(epoch, row[name]) for epoch, row in sorted(rows.items()) if name in row]
    points = [(epoch, value) for epoch, value in points if value == value]
    if not points:
        return ""
    first, last = points[0][0], points[-1][0]
    low, high = min(value for _, value in points), max(value for _, value in points)

    def at(epoch, value):
        x = MARGIN + (WIDTH - MARGIN - 12) * (epoch - first) / max(1, last - first)
        y = HEIGHT - 24 - (HEIGHT - 48) * ((value - low) / (high - low) if high > low else 0.5)
        return f"{x:.1f} {y:.1f}"

    drawn = "L".join(at(*point) for point in points)
    dots = ""
    for epoch, value in points:
        x, y = at(epoch, value).split()
        told = f"<title>epoch {epoch}: {value:,.4g}</title>"
        dots += f'<circle cx="{x}" cy="{y}" r="{5 if epoch == best else 2.5}">{told}</circle>'
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(name)} by epoch">'
        f'<text x="{MARGIN}" y="14">{escape(name.replace("_", " "))}</text>'
        f'<text x="0" y="30">{high:,.4g}</text><text x="0" y="{HEIGHT - 24}">{low:,.4g}</text>'
        f'<text x="{MARGIN}" y="{HEIGHT - 4}">{first}</text>'
        f'<text x="{WIDTH - 12}" y="{HEIGHT - 4}" text-anchor="end">{last}</text>'
        f'<path d="M{drawn}"/>{dots}</svg>'
    )


def _table(names: Sequence[str], rows: dict[int, dict[str, Any]], best: int | None) -> str:
    head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in names)
    body = ""
    for epoch, row in sorted(rows.items()):
        cells = "".join(f"<td>{row[n]:,.4g}</td>" if n in row else "<td></td>" for n in names)
        body += f"<tr{' class=best' if epoch == best else ''}><td>{epoch}</td>{cells}</tr>"
    return f"<table><thead><tr><th>epoch</th>{head}</tr></thead><tbody>{body}</tbody></table>"


def _signatures(signatures: dict[str, str]) -> str:
    if not signatures:
        return ""
    said = "".join(f"<li>{escape(k)}: <code>{escape(v)}</code></li>" for k, v in signatures.items())
    return f"<ul>{said}</ul>"


def _samples(samples: Iterable[dict[str, Any]], best: int | None) -> str:
    by_source: dict[str, list[tuple[int, str]]] = {}
    wanted: dict[str, str] = {}
    for row in samples:
        for source, text, target in row["samples"]:
            by_source.setdefault(source, []).append((row["epoch"], text))
            wanted[source] = target
    parts = []
    for source, texts in by_source.items():
        lines = "".join(
            f"<tr{' class=best' if epoch == best else ''}><td>{epoch}</td><td>{escape(text)}</td>"
            for epoch, text in texts
        )
        parts.append(f"<p>{escape(source)}<br>= {escape(wanted[source])}</p><table>{lines}</table>")
    return f"<h2>Samples</h2>{''.join(parts)}" if parts else ""


def _map(source: Sequence[str], target: Sequence[str], weights: Sequence[Sequence[float]]) -> str:
    """What was looked at, as a table: a row for each token that was written."""
    head = "".join(f"<th>{escape(token)}</th>" for token in source)
    body = ""
    for token, row in zip(target, weights, strict=True):
        cells = "".join(
            f'<td style="background:rgba(79,70,229,{weight:.2f})" title="{weight:.2f}"></td>'
            for weight in row
        )
        body += f"<tr><th>{escape(token)}</th>{cells}</tr>"
    return (
        f'<h2>Looked at</h2><table class="map"><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )

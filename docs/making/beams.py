"""Beam search on a real sentence as a tree: a plain search, with the numbers of the model."""

from html import escape
from typing import NamedTuple

import numpy as np
from diagram import INK

from s2s_zoo import END, PAD, START, UNK

LONGEST = 30
STEP, COLUMN, WIDTH, HEIGHT = 52, 126, 110, 28
CHOSEN, KEPT = "#4338ca", "#6b7280"


class Node(NamedTuple):
    """A token that was among the best of its step."""

    step: int
    place: int
    token: str
    probability: float  # of the token after those before it
    parent: int  # of the list of nodes, or -1
    ids: tuple
    score: float  # the sum of log-probabilities


def search(pipeline, text, beams):
    """Searches as `beam_search` does, in a few lines and slowly.

    Returns:
        (list of Node, the place in it of the END of the answer).

    Raises:
        RuntimeError: where the answer is not that of the pipeline.
    """
    processor, model = pipeline.processor, pipeline.model
    source = processor.encode_source([text])[0]
    nodes, live, finished = [], [-1], []
    for step in range(LONGEST):
        prefixes = [(START, *nodes[i].ids) if i >= 0 else (START,) for i in live]
        sources = np.tile(source, (len(live), 1))
        logits = model({"source": sources, "target": np.array(prefixes)}, training=False)
        logits = np.array(logits, "float64")[:, -1]
        logs = logits - np.log(
            np.exp(logits - logits.max(-1, keepdims=True)).sum(-1, keepdims=True)
        )
        logs -= logits.max(-1, keepdims=True)
        logs[:, [PAD, START, UNK]] = -np.inf
        before = np.array([nodes[i].score if i >= 0 else 0.0 for i in live])
        totals = before[:, None] + logs
        best = np.argsort(-totals, axis=None)[: 2 * beams]
        going = []
        for rank, (row, token) in enumerate(
            zip(*np.unravel_index(best, totals.shape), strict=True)
        ):
            if token == END and rank >= beams:
                continue
            if token != END and sum(nodes[i].ids[-1] != END for i in going) == beams:
                continue
            piece = processor.target_tokenizer.pieces([token])[0]
            place = len(going)
            ids = (*prefixes[row][1:], int(token))
            node = Node(
                step, place, piece, np.exp(logs[row, token]), live[row], ids, totals[row, token]
            )
            nodes.append(node)
            going.append(len(nodes) - 1)
        finished += [i for i in going if nodes[i].ids[-1] == END]
        live = [i for i in going if nodes[i].ids[-1] != END]
        if len(finished) >= beams:
            break
    answer = max(finished, key=lambda i: nodes[i].score / len(nodes[i].ids))
    written = processor.decode([np.array(nodes[answer].ids)])[0]
    expected = pipeline(text, num_beams=beams)
    if written != expected:
        raise RuntimeError(f"The tree's answer is {written!r}, the pipeline's {expected!r}.")
    return nodes, answer


def tree(nodes, answer):
    """Draws the nodes, step after step from above, the path to the answer thick.

    Returns:
        str, SVG.
    """
    path, place = set(), answer
    while place >= 0:
        path.add(place)
        place = nodes[place].parent
    steps, columns = 1 + max(n.step for n in nodes), 1 + max(n.place for n in nodes)
    width, height = columns * COLUMN + 8, steps * STEP

    def at(node):
        return 12 + node.place * COLUMN, 12 + node.step * STEP

    drawn = []
    for i, node in enumerate(nodes):
        x, y = at(node)
        if node.parent >= 0:
            from_x, from_y = (
                sum(z) for z in zip(at(nodes[node.parent]), (WIDTH / 2, HEIGHT), strict=True)
            )
            middle, to = (from_y + y) / 2, x + WIDTH / 2
            color, thick = (CHOSEN, 3) if i in path else (INK, 1)
            drawn.append(
                f'<path d="M{from_x} {from_y}C{from_x} {middle} {to} {middle} {to} {y}" '
                f'fill="none" stroke="{color}" stroke-width="{thick}"/>'
            )
    for i, node in enumerate(nodes):
        x, y = at(node)
        text = "(end)" if node.token == "</s>" else node.token.replace("▁", "")
        drawn.append(
            f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6" '
            f'fill="{CHOSEN if i in path else KEPT}"/>'
            f'<text x="{x + WIDTH / 2}" y="{y + 18}" fill="#fff" text-anchor="middle">'
            f'{escape(text)} <tspan font-size="10">{node.probability:.2f}</tspan></text>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="Beams as a tree" font-family="system-ui, sans-serif" font-size="13">'
        + "".join(drawn)
        + "</svg>\n"
    )

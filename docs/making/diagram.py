"""A preset as a picture: boxes and arrows of its config, as SVG for light and dark pages."""

from html import escape

WIDTH, HEIGHT, GAP = 190, 32, 24  # of a box, and between two
LEFT, RIGHT, TOTAL = 60, 430, 790  # where the two columns begin, and how wide it all is
INK = "#707886"  # has contrast enough on white and on black
COLORS = {"embed": "#0f766e", "layer": "#4338ca", "attend": "#b45309", "out": "#475569"}
CELLS = {"lstm": "LSTM", "gru": "GRU", "rnn": "SimpleRNN"}


def diagram(config):
    """Draws the encoder on the left, the decoder on the right, both from below.

    Args:
        config: dict, the "model" of a preset, or that of a checkpoint.

    Returns:
        str, SVG.
    """
    encoder, decoder = config["encoder"], config["decoder"]
    left = _encoder(encoder)
    right = _decoder(decoder, config.get("share_embeddings"))
    height = max(len(left), len(right)) * (HEIGHT + GAP) + 84
    drawn = [*_column(left, LEFT, height), *_column(right, RIGHT, height)]
    drawn += _memory(left, right, decoder, height)
    if decoder.get("input_feeding"):
        drawn += _fed_back(right, height)
    label = escape(f"{encoder['name']} encoder and {decoder['name']} decoder")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {TOTAL} {height}" '
        f'role="img" aria-label="{label}" font-family="system-ui, sans-serif" font-size="13">'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="{INK}"/></marker></defs>'
        + "".join(drawn)
        + "</svg>\n"
    )


def _encoder(config):
    """Boxes from below: (kind, text), or (kind, text, what is written beside)."""
    width = config.get("embedding_dim", config.get("width", 256))
    boxes = [("embed", f"embedding {width}")]
    kind = config["name"]
    if kind == "recurrent":
        return boxes + _cells(config, config.get("direction", "bidirectional"))
    if kind == "conv":
        return boxes + [("layer", f"convolution + GLU {config['units']}", "+")] * config["layers"]
    if kind == "transformer":
        block = [
            ("layer", f"self-attention, {config['heads']} heads"),
            ("layer", f"feed-forward {config['hidden_dim']}"),
        ]
        return boxes + _times(block, config["layers"])
    raise ValueError(f"diagram has no drawing of the encoder {kind!r}. Add one to _encoder.")


def _decoder(config, shared):
    width = config.get("embedding_dim", config.get("width", 256))
    boxes = [("embed", f"embedding {width}", "shared with the encoder" if shared else "")]
    out = [("out", "softmax, tied to it" if config.get("tie_embeddings") else "softmax")]
    kind = config["name"]
    if kind in ("recurrent", "gnmt"):
        cells = _cells(config, "forward")
        attends = _attention(config.get("attention", "luong"))
        if kind == "gnmt":  # the bottom layer asks, and every layer hears
            return [*boxes, cells[0], *attends, *cells[1:], *out]
        if config.get("query") == "previous":
            return [*boxes, *attends, *cells, *out]
        return [*boxes, *cells, *attends, *out]
    if kind == "conv":
        layer = ("layer", f"causal convolution + GLU {config['units']}", "+")
        return [*boxes, *[layer, ("attend", "dot attention", "+")] * config["layers"], *out]
    if kind in ("transformer", "ssru"):
        first = "SSRU" if kind == "ssru" else f"masked self-attention, {config['heads']} heads"
        block = [
            ("layer", first),
            ("attend", f"attention to the source, {config['heads']} heads"),
            ("layer", f"feed-forward {config['hidden_dim']}"),
        ]
        return [*boxes, *_times(block, config["layers"]), *out]
    raise ValueError(f"diagram has no drawing of the decoder {kind!r}. Add one to _decoder.")


def _cells(config, direction):
    cell, layers = CELLS[config.get("cell", "lstm")], config.get("layers", 1)
    boxes = []
    for i in range(layers):
        both = direction == "bidirectional" or (direction == "bidirectional_bottom" and i == 0)
        text = f"{'← ' if both else ''}{cell} {config['units']}{' →' if both else ''}"
        beside = "+" if config.get("residual") and i else ""
        if direction == "reversed" and i == 0:
            beside = "reads from the end"
        boxes.append(("layer", text, beside))
    return boxes


def _attention(config):
    if config is None:
        return []
    config = {"name": config} if isinstance(config, str) else config
    name = {"luong": "Luong", "bahdanau": "additive"}.get(config["name"], config["name"])
    about = [config.get("score"), config.get("position"), config.get("normalized") and "normalized"]
    return [("attend", " ".join([name, "attention", *(f"({x})" for x in about if x)]))]


def _times(block, number):
    """A block that is there several times: its last box says of how many boxes, and how often."""
    return [*block[:-1], (*block[-1], f"×{len(block)}", str(number))]


def _y(place, height):
    """The top of the box at a place, counted from below."""
    return height - 42 - (place + 1) * (HEIGHT + GAP)


def _column(boxes, x, height):
    middle = x + WIDTH / 2
    source = x == LEFT
    words = "source tokens" if source else "target tokens, one behind"
    drawn = [_text(middle, height - 16, words)]
    drawn.append(_arrow(middle, height - 30, middle, _y(0, height) + HEIGHT))
    for i, (kind, text, *beside) in enumerate(boxes):
        y = _y(i, height)
        drawn.append(
            f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6" '
            f'fill="{COLORS[kind]}"/>' + _text(middle, y + 21, text, "#fff", size=_fitting(text))
        )
        if i + 1 < len(boxes):
            drawn.append(_arrow(middle, y, middle, y - GAP))
        edge, way = (x, -1) if source else (x + WIDTH, 1)  # the side where nothing else is
        if beside and beside[0] == "+":
            drawn.append(_residual(middle, edge + 12 * way, y))
        elif beside and beside[0].startswith("×"):
            bottom = y + HEIGHT + (int(beside[0][1:]) - 1) * (HEIGHT + GAP)
            drawn += _bracket(edge, way, y, bottom, f"× {beside[1]}")
        elif beside and beside[0]:
            drawn.append(_text(x + WIDTH + 8, y + 21, beside[0], anchor="start", size=12))
    top = _y(len(boxes) - 1, height)
    if not source:
        drawn.append(_arrow(middle, top, middle, top - GAP))
        drawn.append(_text(middle, top - GAP - 8, "the next token"))
    return drawn


def _memory(left, right, config, height):
    """What goes from the encoder to the decoder: to each attention, or as the first state."""
    x = LEFT + WIDTH
    top = _y(len(left) - 1, height) + HEIGHT / 2
    attends = [i for i, box in enumerate(right) if box[0] == "attend"]
    lane = LEFT + WIDTH + 150
    if attends:
        drawn = [
            _line(x, top, lane, top),
            _text(lane - 6, top - 6, "memory", anchor="end", size=12),
        ]
        for i in attends:
            y = _y(i, height) + HEIGHT / 2
            drawn += [_line(lane, top, lane, y), _arrow(lane, y, RIGHT, y)]
        return drawn
    y = _y(1, height) + HEIGHT / 2
    every = config.get("summary_feeding")
    said = "summary, each step" if every else "first state"
    return [
        _line(x, top, lane, top),
        _line(lane, top, lane, y),
        _arrow(lane, y, RIGHT, y),
        _text(lane - 6, top - 6, said, anchor="end", size=12),
    ]


def _fed_back(boxes, height):
    """The context of the last step goes into the first cell again."""
    attend = next((i for i, box in enumerate(boxes) if box[0] == "attend"), None)
    if attend is None:
        return []
    x, lane = RIGHT + WIDTH, RIGHT + WIDTH + 30
    high, low = _y(attend, height) + HEIGHT / 2, _y(1, height) + HEIGHT / 2
    return [
        _line(x, high, lane, high),
        _line(lane, high, lane, low),
        _arrow(lane, low, x, low),
        _text(lane + 6, (high + low) / 2, "input feeding", anchor="start", size=12),
    ]


def _residual(middle, lane, y):
    start, end = y + HEIGHT + GAP / 2, y - GAP / 2
    return (
        f'<path d="M{middle} {start}H{lane}V{end}H{middle}" fill="none" stroke="{INK}" '
        'stroke-dasharray="3 3"/>'
    )


def _bracket(edge, way, top, bottom, text):
    x = edge + 10 * way
    anchor = "start" if way > 0 else "end"
    return [
        f'<path d="M{x} {top}h{6 * way}V{bottom}h{-6 * way}" fill="none" stroke="{INK}"/>',
        _text(x + 12 * way, (top + bottom) / 2 + 4, text, anchor=anchor),
    ]


def _fitting(text):
    return 13 if len(text) < 27 else 11


def _text(x, y, text, fill=INK, anchor="middle", size=13):
    return (
        f'<text x="{x}" y="{y}" fill="{fill}" text-anchor="{anchor}" font-size="{size}">'
        f"{escape(text)}</text>"
    )


def _line(x, y, to_x, to_y):
    return f'<path d="M{x} {y}L{to_x} {to_y}" fill="none" stroke="{INK}" stroke-width="1.5"/>'


def _arrow(x, y, to_x, to_y):
    return _line(x, y, to_x, to_y).replace("/>", ' marker-end="url(#tip)"/>')

"""From which length hashed self-attention pays: what XLA counts for it and for full attention.

KERAS_BACKEND=jax python benchmarks/lsh.py
"""

import argparse
from pathlib import Path

import jax
import measure

from s2s_zoo.attention import MultiHeadAttention
from s2s_zoo.attention.hashing import LSHAttention

WIDTH, HEADS, CHUNK = 512, 8, 64
LENGTHS = (256, 512, 1024, 2048, 4096, 8192)


def cost(attend, length):
    """Operations, bytes moved and bytes held at once, for one row of `length` tokens."""
    x = jax.ShapeDtypeStruct((1, length, WIDTH), "float32")
    mask = jax.ShapeDtypeStruct((1, length), "bool")
    compiled = jax.jit(attend).lower(x, mask).compile()
    counted = compiled.cost_analysis()
    held = compiled.memory_analysis().temp_size_in_bytes
    return counted["flops"], counted["bytes accessed"], held


def full():
    layer = MultiHeadAttention(HEADS, output_dim=WIDTH)
    layer.build((None, None, WIDTH), (None, None, WIDTH))
    return lambda x, mask: layer(x, x, mask=mask)[0]


def hashed(length, rounds):
    """Buckets of half a chunk, as in the paper."""
    layer = LSHAttention(HEADS, buckets=2 * length // CHUNK, chunk=CHUNK, rounds=rounds)
    layer.build((None, None, WIDTH))
    return lambda x, mask: layer(x, mask=mask)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the claims here")
    args = parser.parse_args(argv)
    print("| tokens | attention | GFLOP | GB moved | MB held |")
    print("|---|---|---|---|---|")
    claims = []
    for length in LENGTHS:
        rows = {"full": full(), **{f"lsh, {r} rounds": hashed(length, r) for r in (1, 2, 4)}}
        held = {}
        for name, attend in rows.items():
            flops, moved, held[name,] = cost(attend, length)
            print(
                f"| {length} | {name} | {flops / 1e9:.2f} | {moved / 1e9:.2f} "
                f"| {held[name,] / 1e6:.0f} |",
                flush=True,
            )
        sides = [
            (name, measure.Figure((held[name] / 1e6,))) for name in (("lsh, 2 rounds",), ("full",))
        ]
        what = f"self-attention over {length} tokens, MB held as XLA counts, less is better"
        claims.append(measure.claim(what, *sides))
    measure.write(args.json, {"benchmark": "lsh", "sides": {}, "claims": claims})


if __name__ == "__main__":
    main()

"""Attentional LSTM translation in PyTorch: the peer of `train.py` and `decode.py`.

Written the way a PyTorch user with an eye on speed would write it: a one layer bidirectional LSTM
encoder as two one-way LSTMs over padded input (exact, and fused on a CPU), an LSTM decoder, Luong
attention as one batched product, or Bahdanau's additive one in a loop whose result is fed to the
next step, an embedding shared with the output layer, length buckets, fused Adam, and a malloc that
keeps its memory.

One turn of work for every line of standard input, see `measure.Side`.
"""

import argparse
import ctypes
import json
import random
import sys
import time
from pathlib import Path

import numpy as np
import sentencepiece
import torch
import torch.nn.functional as F
from torch import nn

PAD, BOS, EOS = 0, 1, 2
LONGEST = 96


def keep_memory():
    """glibc: never mmap, never trim, so that big tensors are not faulted in anew each step."""
    libc = ctypes.CDLL("libc.so.6")
    for option, value in ((-4, 0), (-1, 2**31 - 1), (-2, 2**28)):
        assert libc.mallopt(option, value), "mallopt"


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("work", choices=("train", "decode"))
    add("--data", type=Path, required=True)
    add("--source", required=True)
    add("--target", required=True)
    add("--tokenizer", type=Path, required=True, help="a SentencePiece model")
    add("--precision", choices=("float32", "bfloat16", "float16"), required=True)
    add("--device", choices=("cpu", "auto"), default="cpu", help="train: auto: a GPU if any")
    add("--threads", type=int, required=True)
    add("--attention", choices=("luong", "bahdanau"), default="luong", help="additive is fed")
    add("--compile", action="store_true", help="train: torch.compile, needs a C++ compiler")
    add("--steps", type=int, help="train: timed steps of one turn")
    add("--weights", type=Path, help="decode: an .npz of the names of the model's weights")
    add("--batch", type=int, default=128, help="sentences")
    add("--lr", type=float, default=1e-3)
    add("--seed", type=int, default=1)
    return parser.parse_args()


# ----------------------------------------------------------------- data
def read(args, split, language):
    path = args.data / f"{split}.{language}"
    return path.read_text(encoding="utf-8").rstrip("\n").split("\n")


def read_train(args, sp):
    """Pairs of ids: the source with EOS, the target with BOS and EOS."""
    sides = [sp.encode(read(args, "train", x)) for x in (args.source, args.target)]
    return [
        (s + [EOS], [BOS] + t + [EOS])
        for s, t in zip(*sides, strict=True)
        if len(s) < LONGEST and len(t) < LONGEST
    ]


def pad(rows):
    out = torch.full((len(rows), max(map(len, rows))), PAD, dtype=torch.long)
    for i, row in enumerate(rows):
        out[i, : len(row)] = torch.tensor(row)
    return out


def batches(pairs, size, rng, pool=64):
    """Shuffle, sort inside pools of `pool` batches, shuffle the batches."""
    order = list(range(len(pairs)))
    rng.shuffle(order)
    out = []
    for start in range(0, len(order), size * pool):
        part = sorted(
            order[start : start + size * pool],
            key=lambda i: (len(pairs[i][1]), len(pairs[i][0])),
        )
        out += [part[i : i + size] for i in range(0, len(part), size)]
    rng.shuffle(out)
    for ids in out:
        src, tgt = [pairs[i][0] for i in ids], pad([pairs[i][1] for i in ids])
        lengths = torch.tensor([len(s) for s in src])
        yield pad(src), lengths, tgt[:, :-1].contiguous(), tgt[:, 1:].contiguous()


# ---------------------------------------------------------------- model
class Seq2Seq(nn.Module):
    def __init__(self, vocab, attention="luong", emb=256, hidden=512, dropout=0.3):
        super().__init__()
        self.feeds = attention == "bahdanau"
        self.emb = nn.Embedding(vocab, emb, padding_idx=PAD)
        nn.init.normal_(self.emb.weight, std=emb**-0.5)
        self.out_bias = nn.Parameter(torch.zeros(vocab))
        # Two one-way LSTMs keep the fused CPU kernel.
        self.fwd = nn.LSTM(emb, hidden // 2, batch_first=True)
        self.bwd = nn.LSTM(emb, hidden // 2, batch_first=True)
        self.bridge = nn.Linear(hidden, 2 * hidden)
        self.key = nn.Linear(hidden, hidden, bias=False)
        self.combine = nn.Linear(2 * hidden, emb, bias=False)
        self.dec = nn.LSTM(2 * emb if self.feeds else emb, hidden, batch_first=True)
        if self.feeds:
            self.query = nn.Linear(hidden, hidden, bias=False)
            self.energy = nn.Linear(hidden, 1, bias=False)
        self.drop = nn.Dropout(dropout)

    def encode(self, src, lengths):
        x = self.drop(self.emb(src))
        pos = torch.arange(src.shape[1], device=src.device)[None]
        back = lengths[:, None] - 1 - pos
        back = torch.where(back < 0, pos, back)[..., None]
        a = self.fwd(x)[0]
        b = self.bwd(x.gather(1, back.expand_as(x)))[0]
        b = b.gather(1, back.expand_as(b))
        end = (lengths - 1)[:, None, None].expand(-1, 1, a.shape[-1])
        last = torch.cat([a.gather(1, end)[:, 0], b[:, 0]], -1)
        memory = self.drop(torch.cat([a, b], -1))
        h, c = torch.tanh(self.bridge(last)).chunk(2, -1)
        mask = (src == PAD)[:, None]  # B 1 S
        return memory, self.key(memory), mask, h.contiguous(), c.contiguous()

    def attend(self, query, keys, memory, mask):
        """Query is B K H, any K."""
        if self.feeds:
            hidden = torch.tanh(self.query(query)[:, :, None] + keys[:, None])
            score = self.energy(hidden)[..., 0]
        else:
            score = query @ keys.transpose(1, 2)
        weight = score.masked_fill(mask, -1e4).float().softmax(-1)
        context = weight.to(memory.dtype) @ memory
        return torch.tanh(self.combine(torch.cat([query, context], -1)))

    def forward(self, src, lengths, tgt):
        memory, keys, mask, h, c = self.encode(src, lengths)
        y = self.drop(self.emb(tgt))
        if self.feeds:
            att = self.attend_in_turn(y, h, c, keys, memory, mask)
        else:
            d, _ = self.dec(y, (h[None].to(y.dtype), c[None].to(y.dtype)))
            att = self.attend(d, keys, memory, mask)
        return F.linear(self.drop(att), self.emb.weight, self.out_bias)

    def attend_in_turn(self, y, h, c, keys, memory, mask):
        """Every step reads what the one before has attended to."""
        att, found = y.new_zeros(y.shape[0], y.shape[2]), []
        for t in range(y.shape[1]):
            att, h, c = self.fed_step(y[:, t], att, h, c, keys, memory, mask)
            found.append(att)
        return torch.stack(found, 1)

    def fed_step(self, x, att, h, c, keys, memory, mask):
        h, c = self.cell(torch.cat([x, att], -1), h, c)
        return self.attend(h[:, None].to(memory.dtype), keys, memory, mask)[:, 0], h, c

    def cell(self, x, h, c):
        r = self.dec
        weights = r.weight_ih_l0, r.weight_hh_l0, r.bias_ih_l0, r.bias_hh_l0
        return torch.lstm_cell(x, (h, c), *weights)

    def step(self, token, state, memory, keys, mask):
        """One decoding step of Luong's model: B*K rows, memory has B rows."""
        h, c = self.cell(self.emb(token), *state)
        query = h.view(memory.shape[0], -1, h.shape[-1]).to(memory.dtype)
        att = self.attend(query, keys, memory, mask).reshape(h.shape[0], -1)
        return F.linear(att, self.emb.weight, self.out_bias).float(), (h, c)


# ------------------------------------------------------------- decoding
@torch.inference_mode()
def greedy(model, src, lengths, limit):
    memory, keys, mask, *state = model.encode(src, lengths)
    rows = src.shape[0]
    token = torch.full((rows,), BOS)
    done = torch.zeros(rows, dtype=torch.bool)
    out = []
    for _ in range(limit):
        logits, state = model.step(token, state, memory, keys, mask)
        token = logits.argmax(-1).masked_fill(done, PAD)
        out.append(token)
        done |= token == EOS
        if done.all():
            break
    return torch.stack(out, 1).tolist()


@torch.inference_mode()
def beam_search(model, src, lengths, limit, width=5, alpha=1.0):
    """Batched beam search; a sentence stops after `width` finished hypotheses."""
    memory, keys, mask, h, c = model.encode(src, lengths)
    rows, vocab = src.shape[0], model.emb.num_embeddings
    state = h.repeat_interleave(width, 0), c.repeat_interleave(width, 0)
    token = torch.full((rows * width,), BOS)
    score = torch.full((rows, width), -1e9)
    score[:, 0] = 0
    seqs = torch.zeros(rows, width, 0, dtype=torch.long)
    best = torch.full((rows,), -1e9)
    result = [[] for _ in range(rows)]
    count = torch.zeros(rows, dtype=torch.long)
    base = torch.arange(rows)[:, None]
    for step in range(1, limit + 1):
        logits, state = model.step(token, state, memory, keys, mask)
        total = logits.log_softmax(-1).view(rows, width, vocab) + score[..., None]
        top, idx = total.view(rows, -1).topk(2 * width, -1)
        origin, tok = idx // vocab, idx % vocab
        end = tok == EOS
        # finished: only among the first `width` candidates
        fin = end[:, :width] & (count < width)[:, None]
        if fin.any():
            norm = (top[:, :width] / step**alpha).masked_fill(~fin, -1e9)
            value, which = norm.max(-1)
            for b in (value > best).nonzero()[:, 0].tolist():
                best[b] = value[b]
                result[b] = seqs[b, origin[b, which[b]]].tolist()
            count += fin.sum(-1)
            if bool((count >= width).all()):
                break
        keep = top.masked_fill(end, -1e9).topk(width, -1).indices
        score = top.gather(1, keep)
        origin, tok = origin.gather(1, keep), tok.gather(1, keep)
        past = seqs.gather(1, origin[..., None].expand(-1, -1, seqs.shape[2]))
        seqs = torch.cat([past, tok[..., None]], 2)
        flat = (base * width + origin).view(-1)
        state = tuple(s.index_select(0, flat) for s in state)
        token = tok.reshape(-1)
    for b in range(rows):
        if not result[b]:
            result[b] = seqs[b, 0].tolist()
    return result


def translate(model, rows, batch, search, cast):
    """Returns token lists in input order and the seconds taken."""
    model.eval()
    order = sorted(range(len(rows)), key=lambda i: -len(rows[i]))
    out = [None] * len(rows)
    start = time.perf_counter()
    for i in range(0, len(order), batch):
        ids = order[i : i + batch]
        src = pad([rows[j] for j in ids])
        lengths = torch.tensor([len(rows[j]) for j in ids])
        with cast():
            hyps = search(model, src, lengths, min(LONGEST, 2 * src.shape[1] + 10))
        for j, hyp in zip(ids, hyps, strict=True):
            out[j] = hyp[: hyp.index(EOS)] if EOS in hyp else [t for t in hyp if t != PAD]
    return out, time.perf_counter() - start


# ----------------------------------------------------------------- work
def trainer(args, model, cast):
    """Returns the step of training."""
    optim = torch.optim.Adam(model.parameters(), lr=args.lr, fused=True)
    scaler = torch.amp.GradScaler(args.device, enabled=args.precision == "float16")
    run = model
    if args.compile and model.feeds:  # the loop stays Python's, its step is compiled
        model.fed_step = torch.compile(model.fed_step, dynamic=True)
    elif args.compile:
        run = torch.compile(model, dynamic=True)

    def train_step(batch):
        src, lengths, inp, gold = batch
        model.train()
        optim.zero_grad(set_to_none=True)
        with cast():
            logits = run(src, lengths, inp)
            loss = F.cross_entropy(
                logits.flatten(0, 1).float(),
                gold.flatten(),
                ignore_index=PAD,
                label_smoothing=0.1,
            )
        scaler.scale(loss).backward()
        scaler.unscale_(optim)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optim)
        scaler.update()
        return loss.item()

    return train_step


def train(args, sp, model, cast):
    """The work of one turn: the same steps each time. Making the batches is not timed."""
    train_step = trainer(args, model, cast)
    chosen = list(batches(read_train(args, sp), args.batch, random.Random(args.seed)))
    chosen = [tuple(x.to(args.device) for x in batch) for batch in chosen[: args.steps]]

    def work():
        tokens, seconds = [], []
        for batch in chosen:
            tokens.append(int((batch[3] != PAD).sum()))
            start = time.perf_counter()
            train_step(batch)
            seconds.append(time.perf_counter() - start)
        facts = {"tokens": tokens, "seconds": seconds}
        if args.device == "cuda":
            facts["memory"] = torch.cuda.max_memory_allocated()
        return facts

    return work


def decode(args, sp, model, cast):
    """The work of one turn: to translate sentences of the test set. SentencePiece is not timed."""
    weights = np.load(args.weights)
    model.load_state_dict({name: torch.from_numpy(weights[name]) for name in weights})
    rows = [ids + [EOS] for ids in sp.encode(read(args, "test_2016_flickr", args.source))]
    searches = {"greedy": greedy, "beam": beam_search}

    def work(sentences, search, batch_size):
        found, seconds = translate(model, rows[:sentences], batch_size, searches[search], cast)
        tokens = sum(len(row) + 1 for row in found)
        return {"seconds": seconds, "tokens": tokens, "texts": sp.decode(found)}

    return work


def main():
    args = parse()
    if sys.platform == "linux":
        keep_memory()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    sp = sentencepiece.SentencePieceProcessor(model_file=str(args.tokenizer))
    assert (sp.pad_id(), sp.bos_id(), sp.eos_id()) == (PAD, BOS, EOS), "ids of the tokenizer"
    if args.attention != "luong" and args.work != "train":
        sys.exit(f"Only train takes --attention {args.attention}.")
    cuda = args.device == "auto" and args.work == "train" and torch.cuda.is_available()
    args.device = "cuda" if cuda else "cpu"
    if cuda:
        torch.set_float32_matmul_precision("high")  # TF32, as XLA
    model = Seq2Seq(sp.get_piece_size(), args.attention).to(args.device)

    def cast():
        half = torch.float16 if args.precision == "float16" else torch.bfloat16
        return torch.autocast(args.device, half, args.precision != "float32")

    work = {"train": train, "decode": decode}[args.work](args, sp, model, cast)
    facts = {
        "versions": {"torch": torch.__version__},
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    print(json.dumps(facts), flush=True)
    for line in sys.stdin:
        print(json.dumps(work(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()

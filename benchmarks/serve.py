"""Serving: requests a second and latency over HTTP, with batching and without, in turns."""

import argparse
import asyncio
import itertools
import re
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import httpx2
import measure

from s2s_zoo.data import read_lines

# What the s2s-zoo script does, wherever the package is installed.
COMMAND = "import sys; from s2s_zoo.apps.cli.main import main; sys.exit(main())"
SERVERS = {
    "batches up to 64": ("--max-batch", 64, "--max-wait-ms", 5),
    "one at a time": ("--max-batch", 1, "--max-wait-ms", 0),
}
START = 180  # seconds for a server to be ready


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--model", required=True, metavar="NAME")
    add("--texts", type=Path, required=True, metavar="FILE", help="one a line, taken in order")
    add("--num-beams", type=int, default=1, metavar="K", help="default: 1, greedy search")
    add("--clients", type=int, nargs="+", default=[1, 8, 64], help="at once (default: 1 8 64)")
    add("--requests", type=int, default=500, help="of one text each, in a round (default: 500)")
    add("--repeats", type=int, default=5, help="rounds that count, after one to warm up")
    add("--threads", type=int, default=measure.cores(), help="of the server (default: all cores)")
    add("--json", type=Path, metavar="FILE", help="write everything that was measured here")
    args = parser.parse_args(argv)
    if min(args.repeats, args.requests, args.num_beams, *args.clients) < 1:
        parser.error("--repeats, --requests, --num-beams and --clients count from 1")
    return args


class Server:
    """A process of `s2s-zoo serve` that is ready.

    Args:
        args: what was parsed.
        options: of the command.
    """

    def __init__(self, args, options):
        command = [sys.executable, "-c", COMMAND, "serve", "--model", args.model, "--port", 0]
        self.said = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            list(map(str, [*command, "--max-queue", 10_000, *options])),
            stderr=self.said,
            env=measure.environment(args.threads),
        )
        self.url = None
        end = time.monotonic() + START
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() > end:
                message = self._read()
                self.close()
                sys.exit(f"The server did not start.\n{message}")
            time.sleep(0.1)

    def close(self):
        """Ends the process as an administrator does."""
        self.process.terminate()
        self.process.wait()
        self.said.close()

    def _ready(self):
        if self.url is None:
            found = re.search(r"is served at (http://\S+)/", self._read())
            self.url = found and found[1]
        try:
            return self.url and httpx2.get(f"{self.url}/health").status_code == 200
        except httpx2.TransportError:
            return False

    def _read(self):
        self.said.seek(0)
        return self.said.read().decode("utf-8", "replace")


def load(url, texts, clients, requests, num_beams):
    """Sends requests, each client its next when it has the answer to the one before.

    Returns:
        dict of "seconds" for all of them, and "latencies", a list of seconds.
    """

    async def client(session, mine, latencies):
        for text in mine:
            start = time.perf_counter()
            answer = await session.post("/generate", json={"texts": [text], "num_beams": num_beams})
            latencies.append(time.perf_counter() - start)
            if answer.status_code != 200:
                sys.exit(f"The server answered {answer.status_code}: {answer.text}")

    async def all_clients():
        latencies, given = [], itertools.islice(itertools.cycle(texts), requests)
        limits = httpx2.Limits(max_connections=clients)
        async with httpx2.AsyncClient(base_url=url, timeout=60, limits=limits) as session:
            start = time.perf_counter()
            await asyncio.gather(*(client(session, given, latencies) for _ in range(clients)))
            return {"seconds": time.perf_counter() - start, "latencies": latencies}

    return asyncio.run(all_clients())


def percentile(values, percent):
    """The smallest value that so many percent of the values do not exceed."""
    return sorted(values)[max(0, -(-len(values) * percent // 100) - 1)]


def show(answers):
    """Prints the table and returns what is to be written, and the claims of it."""
    rows, result = [], {}
    for (server, clients), rounds in answers.items():
        figures = {
            "requests_per_second": [len(x["latencies"]) / x["seconds"] for x in rounds],
            "p50_ms": [1000 * percentile(x["latencies"], 50) for x in rounds],
            "p95_ms": [1000 * percentile(x["latencies"], 95) for x in rounds],
        }
        result[f"{server}, {clients} clients"] = figures
        texts = [measure.Figure(tuple(values)).text(1) for values in figures.values()]
        rows.append([server, clients, *texts])
    header = ["server", "clients", "requests/s", "p50, ms", "p95, ms"]
    measure.show(measure.table(header, rows))
    claims = []
    for clients in dict.fromkeys(clients for _, clients in answers):
        rates = [
            ((server,), measure.Figure(tuple(figures["requests_per_second"])))
            for server in SERVERS
            for figures in [result[f"{server}, {clients} clients"]]
        ]
        claims.append(measure.claim(f"serving {clients} clients, requests/s", *rates))
        what = f"requests/s of {clients} clients, with batches over without"
        measure.show(measure.ratio_text(what, claims[-1]))
    return result, claims


def main(argv=None):
    args = parse(argv)
    machine = measure.machine(args.threads)
    texts = [text for text in read_lines(args.texts) if text.strip()]
    measure.show(measure.heading(machine, []))
    servers = {}
    try:
        for name, options in SERVERS.items():
            measure.say(f"starting {name}")
            servers[name] = Server(args, options)
        jobs = {
            (name, clients): partial(
                load, server.url, texts, clients, args.requests, args.num_beams
            )
            for clients in args.clients
            for name, server in servers.items()
        }
        answers = measure.take_turns(jobs, args.repeats)
    finally:
        for server in servers.values():
            server.close()
    figures, claims = show(answers)
    result = {
        "benchmark": "serve",
        "machine": machine,
        "model": args.model,
        "num_beams": args.num_beams,
        "requests": args.requests,
        "figures": figures,
        "claims": claims,
    }
    measure.write(args.json, result)


if __name__ == "__main__":
    sys.exit(main())

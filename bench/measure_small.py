"""A small batch in a process that runs: 10 rows are committed, again and again, each time until they are in the lake."""

import time

from report import less_is_better, median, ms, percentile, target
from sides import Baseline, Eider

ROWS = 10
EVERY_S = 0.01


def measure(bench):
    batches = 40 if bench.quick else 200
    batch, commit = {}, {}  # side -> percentiles of each run
    with Baseline(bench, "small") as baseline, Eider(bench, "small") as eider:
        for side in (baseline, eider):
            side.moved = 0
        for run in range(bench.runs):
            for side in bench.in_turn(run, baseline, eider):
                in_batch, since_commit = move(side, batches)
                batch.setdefault(side.name, []).append((percentile(in_batch, 50), percentile(in_batch, 95)))
                commit.setdefault(side.name, []).append((percentile(since_commit, 50), percentile(since_commit, 95)))
        for side in (baseline, eider):
            side.check_count(side.moved)

    for what, figures, wanted in (("batch of 10 rows", batch, True),
                                  (f"10 rows, from commit to lake, a look every {ms(EVERY_S)}", commit, False)):
        for index, name in enumerate(("p50", "p95")):
            of = {side: [pair[index] for pair in pairs] for side, pairs in figures.items()}
            met = target("under 60 ms", median(of["eider"]) < 0.06) if wanted and name == "p50" else ""
            bench.add(less_is_better(f"{what}, {name}", ms, of["baseline"], of["eider"], met))


def move(side, batches):
    """Seconds of each batch as the side says, and from the commit until its line was there."""
    since_commit = []
    with side.mover(EVERY_S) as mover:
        for _ in range(batches):
            side.fill(ROWS)
            committed = time.monotonic()
            since_commit.append(mover.wait_for_events(len(since_commit) * ROWS + ROWS, timeout=30) - committed)
        side.moved += batches * ROWS
        # The first one connects, loads extensions and takes the lake over.
        return [line["seconds"] for _, line in mover.batches][1:], since_commit[1:]

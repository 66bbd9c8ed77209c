"""A look that finds nothing: how long it takes, and what it costs program and server.

Looks are counted by the transactions that the server saw. It publishes their number about once a second: the
measurement begins and ends at such moments.
"""

import time

from process import cpu_seconds
from report import less_is_better, median, ms, target
from sides import Baseline, Eider


def measure(bench):
    took, cpu = {}, {}
    with Baseline(bench, "idle") as baseline, Eider(bench, "idle") as eider:
        for side in (baseline, eider):
            side.fill(10)
            side.sync()
            side.transactions_a_look = round(watch(side, 0.1, 2)[0] * 0.1)
        for run in range(bench.runs):
            for side in bench.in_turn(run, baseline, eider):
                transactions, _ = watch(side, 0.001, 2 if bench.quick else 5)
                took.setdefault(side.name, []).append(side.transactions_a_look / transactions)
                transactions, busy = watch(side, 0.02, 2 if bench.quick else 5)
                cpu.setdefault(side.name, []).append(busy / transactions * side.transactions_a_look)
    bench.add(less_is_better("idle tick, one after the other", ms, took["baseline"], took["eider"],
                             target("under 5 ms", median(took["eider"]) < 0.005)))
    bench.add(less_is_better("idle tick, CPU of program and server", ms, cpu["baseline"], cpu["eider"]))


def watch(side, every_s, seconds):
    """Transactions a second of a mover that looks every `every_s`, and CPU seconds a second of it and the server."""
    with side.bench.server.connect() as connection, side.mover(every_s) as mover:
        next_count(connection, side.database)  # connecting is over
        first, begun = next_count(connection, side.database), time.monotonic()
        busy = cpu_of(connection, side, mover)
        time.sleep(seconds)
        last, ended = next_count(connection, side.database), time.monotonic()
        busy = cpu_of(connection, side, mover) - busy
        return (last - first) / (ended - begun), busy / (ended - begun)


def next_count(connection, database):
    """The number of transactions, at the moment at which the server publishes it."""
    read = lambda: connection.execute("SELECT xact_commit FROM pg_stat_database WHERE datname = %s", (database,)).fetchone()[0]
    before = now = read()
    deadline = time.monotonic() + 20
    while now == before:
        if time.monotonic() > deadline:
            raise SystemExit(f"bench: nothing looks at {database}")
        time.sleep(0.002)
        now = read()
    return now


def cpu_of(connection, side, mover):
    sessions = connection.execute("SELECT pid FROM pg_stat_activity WHERE datname = %s", (side.database,)).fetchall()
    return mover.cpu_seconds() + sum(cpu_seconds(pid) for pid, in sessions)

"""Whether writers wait: 8 clients change rows, batches are moved as fast as it goes, and for a while another
transaction that has written stays open.

The baseline's rename waits for that transaction, and every writer waits behind the rename.
"""

import time

import pgbench
from report import Row, median, rate, share, target
from sides import Baseline, Eider

CLIENTS = 8
ROWS = 100_000


def measure(bench):
    before, open_for = (4, 5) if bench.quick else (10, 10)
    shares = {}
    for run in range(1 if bench.quick else min(bench.runs, 3)):
        for kind in bench.in_turn(run, Baseline, Eider):
            with kind(bench, "stall") as side:
                rates, batches = rates_with_open_transaction(bench, side, before, open_for)
            steady = rates[1:]  # clients connect in the first second
            shares.setdefault(side.name, []).append((min(steady) / median(steady), min(steady)))
            bench.note(f"stall, {side.name}: a transaction open from second {before} to {before + open_for}, {batches} batches moved; "
                       f"changes in each second: {' '.join(f'{value:.0f}' for value in rates)}")

    worst = {name: min(values) for name, values in shares.items()}
    cell = lambda name: f"{share(worst[name][0])} ({rate(worst[name][1])})"
    bench.add(Row(f"slowest second of {CLIENTS} clients, one transaction open, share of their median", cell("baseline"), cell("eider"), "",
                  target("at least 50%", worst["eider"][0] >= 0.5)))


def rates_with_open_transaction(bench, side, before, open_for):
    side.fill(ROWS + 1)
    side.sync()
    # A small rotation threshold: as many rotations and releases as there can be.
    with side.mover(0.001, **side.stall_settings) as mover:
        load = pgbench.start_with_progress(bench, side, CLIENTS, 2 * before + open_for, ROWS)
        time.sleep(before)
        with side.connection.transaction():
            side.connection.execute(f"UPDATE shop.orders SET amount = amount + 1 WHERE id = {ROWS + 1}")
            time.sleep(open_for)
        rates, transactions = pgbench.rates_of(load)
        mover.wait_for_events(transactions + 1, timeout=60)
        batches = len(mover.batches)
    side.check_count(ROWS + 1 + transactions + 1)
    return rates, batches

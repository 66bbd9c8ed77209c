"""What capture adds to each row of a statement that changes many."""

import time

from report import Row, median, ratios, spread, target, us
from sides import Baseline, Eider, Side

ROWS = 100_000

STATEMENTS = {
    "insert": f"SELECT shop.add_orders(1, {ROWS})",
    "update": "UPDATE shop.orders SET amount = amount + 1",
    "delete": "DELETE FROM shop.orders",
}


def measure(bench):
    seconds = {}  # (side, statement) -> of each run
    with Side(bench, "bulk") as plain, Baseline(bench, "bulk") as baseline, Eider(bench, "bulk") as eider:
        for run in range(-1, bench.runs):  # the first only fills caches
            for side in bench.in_turn(run, plain, baseline, eider):
                side.empty()
                for name, statement in STATEMENTS.items():
                    begun = time.monotonic()
                    side.connection.execute(statement)
                    if run >= 0:
                        seconds.setdefault((side.name, name), []).append(time.monotonic() - begun)

    for name in STATEMENTS:
        untriggered = seconds["untriggered", name]
        added = {side: [(mine - base) / ROWS for mine, base in zip(seconds[side, name], untriggered)] for side in ("baseline", "eider")}
        better = ratios(True, added["baseline"], added["eider"])
        bench.add(Row(f"added to each row of a bulk {name} of {ROWS // 1000}k", us(median(added["baseline"])), us(median(added["eider"])),
                      spread(better), target("at least 5x", median(better) >= 5)))
        bench.note(f"bulk {name}: {us(median(untriggered) / ROWS)} a row without capture")

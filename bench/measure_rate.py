"""The rate of single-row updates, as a share of what the table does without capture."""

import pgbench
from report import Row, median, rate, ratios, share, spread, target
from sides import Baseline, Eider, Side

ROWS = 100_000


def measure(bench):
    seconds = 2 if bench.quick else 5
    with Side(bench, "rate") as plain, Baseline(bench, "rate") as baseline, Eider(bench, "rate") as eider:
        for clients in (2, 8):
            rates = {}
            for run in range(bench.runs):
                for side in bench.in_turn(run, plain, baseline, eider):
                    side.empty()
                    side.fill(ROWS)
                    rates.setdefault(side.name, []).append(pgbench.rate(bench, side, clients, seconds, ROWS))
            untriggered = rates["untriggered"]
            shares = {side: [mine / base for mine, base in zip(rates[side], untriggered)] for side in ("baseline", "eider")}
            bench.add(Row(f"rate of single-row updates, {clients} clients, share of untriggered",
                          share(median(shares["baseline"])), share(median(shares["eider"])),
                          spread(ratios(False, shares["baseline"], shares["eider"])),
                          target("at least 70%", median(shares["eider"]) >= 0.7)))
            bench.note(f"single-row updates, {clients} clients: {rate(median(untriggered))} without capture")

"""From the change log to the lake: events a second, memory, bytes.

A batch's seconds are what each side says of itself (from its look at the log to the log's release); the time of
the whole process is taken from outside.
"""

from report import Row, median, mib, ms, rate, ratios, short_count, spread, target
from sides import Baseline, Eider

# What eider is given to read with: the same DuckDB limit in all runs.
DUCKDB_LIMIT_MIB = 512
STREAMS = (1, 2)


def sizes(bench):
    return [10_000, 100_000, 1_000_000] if bench.quick else [10_000, 100_000, 1_000_000, 10_000_000]


class Lane:
    """One side and how it is run; keeps what was measured for each size."""

    def __init__(self, side, **settings):
        self.side, self.settings = side, settings
        self.rates, self.whole, self.rss, self.bytes = {}, {}, {}, {}

    def measure(self, size):
        self.side.fill(size)
        bytes_before = self.side.data_bytes()
        done = self.side.sync(**self.settings)
        lines = done.json_lines()
        self.side.moved += size
        self.side.check_count(self.side.moved)
        self.rates.setdefault(size, []).append(size / sum(line["seconds"] for line in lines))
        self.whole.setdefault(size, []).append(done.seconds)
        self.rss.setdefault(size, []).append(done.rss_bytes)
        self.bytes.setdefault(size, []).append((self.side.data_bytes() - bytes_before) / size)


def measure(bench):
    with Baseline(bench, "lake") as baseline, Eider(bench, "lake") as eider:
        for side in (baseline, eider):
            side.moved = 0
            side.fill(1000)
            side.sync()
            side.moved += 1000
        lanes = {"baseline": Lane(baseline)}
        for streams in STREAMS:
            lanes[streams] = Lane(eider, EIDER_COPY_STREAMS=str(streams), EIDER_MEMORY_LIMIT=f"{DUCKDB_LIMIT_MIB}MB")
        for size in sizes(bench):
            for run in range(bench.runs if size <= 1_000_000 else 1):
                for lane in bench.in_turn(run, *lanes.values()):
                    lane.measure(size)
            report(bench, size, lanes)


def report(bench, size, lanes):
    count = short_count(size)
    baseline = lanes["baseline"]
    for streams in STREAMS:
        eider = lanes[streams]
        better = ratios(False, baseline.rates[size], eider.rates[size])
        wanted = ""
        if size == 1_000_000 and streams == 1:
            wanted = target("at least 2x", median(better) >= 2)
        if size == 1_000_000 and streams == 2:
            wanted = target("near 1,000,000/s", median(eider.rates[size]) >= 900_000)
        bench.add(Row(f"slot to lake, {count} events, {streams} copy stream{'s' if streams > 1 else ''}",
                      rate(median(baseline.rates[size])), rate(median(eider.rates[size])), spread(better), wanted))
    if size < 1_000_000:
        return
    eider = lanes[max(STREAMS)]
    bench.add(Row(f"slot to lake, {count} events, whole process", ms(median(baseline.whole[size])), ms(median(eider.whole[size])),
                  spread(ratios(True, baseline.whole[size], eider.whole[size]))))
    for streams in STREAMS:
        eider = lanes[streams]
        rss = median(eider.rss[size])
        bench.add(Row(f"peak memory, {count} events, {streams} copy stream{'s' if streams > 1 else ''}",
                      mib(median(baseline.rss[size])), mib(rss), spread(ratios(True, baseline.rss[size], eider.rss[size])),
                      target(f"under 250 MB + {DUCKDB_LIMIT_MIB} MB of DuckDB", rss < (250 + DUCKDB_LIMIT_MIB) * 1e6)))
    if size == 1_000_000:
        eider = lanes[1]
        bench.add(Row("bytes in the lake per event", f"{median(baseline.bytes[size]):.0f}", f"{median(eider.bytes[size]):.0f}",
                      spread(ratios(True, baseline.bytes[size], eider.bytes[size]))))

"""From the change log to the lake: events a second, memory, bytes.

A batch's seconds are what each side says of itself (from its look at the log to the log's release); time and CPU
of the whole process, start and all, are taken from outside.
"""

from report import Row, less_is_better, median, mib, ms, rate, ratios, short_count, spread, target
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
        self.rates, self.whole, self.cpu, self.rss, self.bytes = {}, {}, {}, {}, {}

    def measure(self, size):
        self.side.fill(size)
        bytes_before = self.side.data_bytes()
        server_cpu_before = self.side.bench.server.cpu_seconds()
        done = self.side.sync(**self.settings)
        server_cpu = self.side.bench.server.cpu_seconds() - server_cpu_before
        lines = done.json_lines()
        self.side.moved += size
        self.side.check_count(self.side.moved)
        self.rates.setdefault(size, []).append(size / sum(line["seconds"] for line in lines))
        self.whole.setdefault(size, []).append(done.seconds)
        self.cpu.setdefault(size, []).append(done.cpu_seconds + server_cpu)
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
    count, baseline = short_count(size), lanes["baseline"]
    for streams in STREAMS:
        eider = lanes[streams]
        better = ratios(False, baseline.rates[size], eider.rates[size])
        wanted = ""
        if size == 1_000_000:
            wanted = target("at least 2x", median(better) >= 2) if streams == 1 else target(
                "near 1,000,000/s", median(eider.rates[size]) >= 900_000)
        bench.add(Row(f"slot to lake, {count} events, {stream_count(streams)}",
                      rate(median(baseline.rates[size])), rate(median(eider.rates[size])), spread(better), wanted))
    if size >= 1_000_000:
        report_cost(bench, size, lanes)


def report_cost(bench, size, lanes):
    count, baseline, eider = short_count(size), lanes["baseline"], lanes[1]
    bench.add(less_is_better(f"slot to lake, {count} events, whole process", ms, baseline.whole[size], eider.whole[size]))
    bench.add(less_is_better(f"slot to lake, {count} events, CPU of program and server", ms, baseline.cpu[size], eider.cpu[size]))
    for streams in STREAMS:
        rss = lanes[streams].rss[size]
        row = less_is_better(f"peak memory, {count} events, {stream_count(streams)}", mib, baseline.rss[size], rss)
        row.target = target(f"under 250 MB + {DUCKDB_LIMIT_MIB} MB of DuckDB", median(rss) < (250 + DUCKDB_LIMIT_MIB) * 1e6)
        bench.add(row)
    if size == 1_000_000:
        bench.add(less_is_better("bytes in the lake per event", "{:.0f}".format, baseline.bytes[size], eider.bytes[size]))


def stream_count(streams):
    return f"{streams} copy stream{'' if streams == 1 else 's'}"

"""How long a program takes that has nothing to do."""

import process
from report import less_is_better, median, mib, ms, target
from sides import Baseline, Eider


def measure(bench):
    start, nothing, memory = {}, {}, {}
    with Baseline(bench, "start") as baseline, Eider(bench, "start") as eider:
        for side in (baseline, eider):
            side.fill(10)
            side.sync()
        for run in range(max(5, bench.runs)):
            for side in bench.in_turn(run, baseline, eider):
                done = process.run(side.version_command(), side.environment(), side.folder)
                start.setdefault(side.name, []).append(done.seconds)
                done = side.sync()
                nothing.setdefault(side.name, []).append(done.seconds)
                memory.setdefault(side.name, []).append(done.rss_bytes)
    bench.add(less_is_better("start: eider version; Python with its imports", ms, start["baseline"], start["eider"]))
    bench.add(less_is_better("a whole sync of nothing", ms, nothing["baseline"], nothing["eider"],
                             target("under 0.7 s", median(nothing["eider"]) < 0.7)))
    bench.add(less_is_better("a whole sync of nothing, peak memory", mib, memory["baseline"], memory["eider"]))

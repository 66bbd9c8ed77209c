"""The benchmark: measures, prints one table. Each measure_*.py is one measurement; `--only` names them."""

import argparse
import os
import shutil
import sys
import tempfile
import time

import machine
import measure_bulk
import measure_idle
import measure_lake
import measure_rate
import measure_small
import measure_stall
import measure_start
import report
from server import Server
from sides import ROOT

MEASUREMENTS = {
    "bulk": measure_bulk,
    "rate": measure_rate,
    "lake": measure_lake,
    "small": measure_small,
    "idle": measure_idle,
    "start": measure_start,
    "stall": measure_stall,
}


class Bench:
    """What all measurements share: options, server, folder, and the table that they fill."""

    def __init__(self, options, folder):
        self.quick, self.runs, self.eider = options.quick, options.runs, options.eider
        self.folder = folder
        self.extensions = os.environ.get("EIDER_EXTENSION_DIR") or os.path.join(ROOT, ".deps", "extensions")
        self.server = None
        self.rows, self.notes = [], []

    def in_turn(self, run, *sides):
        """A B, then B A, and so on: what goes first is not always the same."""
        return sides if run % 2 == 0 else sides[::-1]

    def add(self, row):
        self.rows.append(row)
        print(f"  {row.what}: {row.baseline} | {row.eider} | {row.ratio}  {row.target}", file=sys.stderr, flush=True)

    def note(self, text):
        self.notes.append(text)


def main():
    options = parse_options()
    if not os.access(options.eider, os.X_OK):
        raise SystemExit(f"bench: there is no program {options.eider}: run make first, or name one with --eider")
    folder = tempfile.mkdtemp(prefix="eider-bench-", dir=options.folder)
    bench = Bench(options, folder)
    try:
        with Server(folder) as bench.server:
            about = machine.describe(bench)
            for name in options.only or MEASUREMENTS:
                begun = time.monotonic()
                print(f"bench: {name}", file=sys.stderr, flush=True)
                MEASUREMENTS[name].measure(bench)
                print(f"  {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)

    print(report.as_text(bench.rows), *about, *bench.notes, sep="\n")
    if options.markdown:
        with open(options.markdown, "w") as file:
            file.write("\n".join([report.as_markdown(bench.rows), "", *(f"- {line}" for line in (*about, *bench.notes)), ""]))


def parse_options():
    parser = argparse.ArgumentParser(prog="bench/run", description="eider and the baseline side by side, on a PostgreSQL of its own",
                                     epilog="the ratio says how many times better eider is")
    parser.add_argument("--quick", action="store_true", help="a few minutes: small sizes, few runs")
    parser.add_argument("--only", action="append", choices=MEASUREMENTS, metavar="NAME", help=f"one of {', '.join(MEASUREMENTS)}; may be repeated")
    parser.add_argument("--runs", type=int, help="of each measurement (5; 2 with --quick)")
    parser.add_argument("--markdown", metavar="FILE", help="write the table there, too")
    parser.add_argument("--eider", default=os.path.join(ROOT, "build", "release", "eider"), metavar="FILE", help="the program to measure")
    parser.add_argument("--folder", metavar="DIR", help="where server and lakes stand meanwhile (the system's folder for temporary files); "
                                                        "up to 30 GB without --quick")
    options = parser.parse_args()
    options.runs = options.runs or (2 if options.quick else 5)
    return options


if __name__ == "__main__":
    main()

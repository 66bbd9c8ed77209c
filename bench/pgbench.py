"""Runs of pgbench, PostgreSQL's own load generator, with one statement: a change of one random row."""

import os
import re
import subprocess

SCRIPT = """\\set id random(1, {rows})
UPDATE shop.orders SET amount = amount + 1 WHERE id = :id;
"""


def command(bench, side, clients, seconds, rows, extra=()):
    script = os.path.join(bench.folder, "update.sql")
    with open(script, "w") as file:
        file.write(SCRIPT.format(rows=rows))
    return [os.path.join(bench.server.programs, "pgbench"), "-n", "-c", str(clients), "-j", str(min(clients, 2)),
            "-T", str(seconds), "-f", script, *extra, bench.server.dsn(side.database)]


def rate(bench, side, clients, seconds, rows):
    """Transactions a second."""
    done = subprocess.run(command(bench, side, clients, seconds, rows), capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"bench: pgbench failed: {done.stderr}")
    return float(re.search(r"^tps = ([0-9.]+)", done.stdout, re.M).group(1))


def start_with_progress(bench, side, clients, seconds, rows):
    """Starts a run that reports its rate each second; see `rates_of`."""
    return subprocess.Popen(command(bench, side, clients, seconds, rows, ["--progress=1"]),
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def rates_of(process):
    """The rate of each second, and the number of transactions in all."""
    out, err = process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"bench: pgbench failed: {err}")
    rates = [float(rate) for rate in re.findall(r"^progress: [0-9.]+ s, ([0-9.]+) tps", err, re.M)]
    return rates, int(re.search(r"transactions actually processed: (\d+)", out).group(1))

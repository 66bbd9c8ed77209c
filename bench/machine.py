"""What the figures were measured on."""

import json
import os
import re
import subprocess
from importlib.metadata import version


def cpu_model():
    with open("/proc/cpuinfo") as file:
        found = re.search(r"^model name\s*: (.*)", file.read(), re.M)
    return found.group(1) if found else "unknown processor"


def describe(bench):
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    lines = [f"machine: {len(os.sched_getaffinity(0))} cores ({cpu_model()}), {gib:.0f} GiB",
             f"versions: {eider_version(bench)}; PostgreSQL {bench.server.version()} (fsync off); "
             f"baseline: Python, DuckDB {version('duckdb')}, psycopg {version('psycopg')}",
             f"runs: {bench.runs} of each, the sides in turn; medians, with the least and the greatest ratio",
             "noisy: one machine does everything, server, load and both sides; look at ratios, not at figures",
             f"load of the machine when it began: {os.getloadavg()[0]:.2f}"]
    return lines


def eider_version(bench):
    done = subprocess.run([bench.eider, "version", "--json"], capture_output=True, text=True, check=True)
    parts = json.loads(done.stdout)
    return f"eider {parts['eider']} ({parts['commit']}) with DuckDB {parts['duckdb']}"

"""Programs under measurement: one that runs to its end, and one that moves batches until it is told to stop."""

import json
import os
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass


@dataclass
class Done:
    seconds: float      # from start to end, as a user waits
    cpu_seconds: float
    rss_bytes: int      # at its peak
    output: str

    def json_lines(self):
        return [json.loads(line) for line in self.output.splitlines()]


def run(command, environment, folder):
    """Runs a program to its end; a failure ends the benchmark with what it said.

    Linux counts the memory of the process that started the program as the program's own (exec_mmap in fs/exec.c
    carries it over): the benchmark itself stays small, and leaves all DuckDB to programs like this one.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        begun = time.monotonic()
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        if process.returncode != 0:
            err.seek(0)
            raise SystemExit(f"bench: {' '.join(command)} failed ({process.returncode}):\n{out.read()}{err.read()}")
        return Done(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, out.read())


class Mover:
    """A running `sync --every`, whose lines of JSON, one a batch, are collected with the time they arrived.

    Use as a context manager: it is sent SIGTERM at the end.
    """

    def __init__(self, command, environment, folder):
        self.command, self.environment, self.folder = command, environment, folder
        self.batches = []  # (time.monotonic(), what the line says)
        self._arrived = threading.Condition()

    def __enter__(self):
        self._err = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(self.command, env=self.environment, cwd=self.folder, stdout=subprocess.PIPE,
                                        stderr=self._err, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join()

    def wait_for_events(self, count, timeout):
        """Waits until that many events have arrived since the start; returns the moment of the last line."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: self.events() >= count or self.process.poll() is not None, timeout) or self.events() < count:
                self._err.seek(0)
                raise SystemExit(f"bench: {' '.join(self.command)}: {self.events()} of {count} events arrived\n{self._err.read()}")
            return self.batches[-1][0]

    def events(self):
        return sum(line.get("events", 0) for _, line in self.batches)

    def cpu_seconds(self):
        """Of all its threads, so far."""
        return cpu_seconds(self.process.pid)

    def _read(self):
        for line in self.process.stdout:
            arrived = time.monotonic()
            with self._arrived:
                self.batches.append((arrived, json.loads(line)))
                self._arrived.notify_all()
        with self._arrived:
            self._arrived.notify_all()


def cpu_seconds(pid):
    """CPU time of a process by the scheduler's count, which is finer than the clock ticks of /proc/PID/stat."""
    total_ns = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat") as file:
            total_ns += int(file.read().split()[0])
    return total_ns / 1e9

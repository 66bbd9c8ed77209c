"""A PostgreSQL of the benchmark's own: started in a new folder, on a free port, gone afterwards.

fsync is off: what is measured is what triggers and batches cost the processor, not this machine's disk. With a
disk that waits for each commit all rates of single-row changes move closer together. Autovacuum is off so that it
does not start in the middle of one side's run.
"""

import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time

import psycopg

SETTINGS = {
    "fsync": "off",
    "autovacuum": "off",
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
    "listen_addresses": "",
    "max_connections": "50",
}


def find_programs():
    """The folder of initdb, postgres and pgbench: EIDER_PG_BIN, PATH, then Debian's newest."""
    candidates = [os.environ.get("EIDER_PG_BIN", "")]
    candidates += os.environ.get("PATH", "").split(os.pathsep)
    by_version = lambda path: int("".join(filter(str.isdigit, path.split("/")[4])) or 0)
    candidates += sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=by_version, reverse=True)
    for folder in candidates:
        if folder and all(os.access(os.path.join(folder, name), os.X_OK) for name in ("initdb", "postgres", "pgbench")):
            return folder
    raise SystemExit("bench: no initdb, postgres and pgbench found; name their folder in EIDER_PG_BIN")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """Use as a context manager. `folder` must exist; only what is below it is touched."""

    def __init__(self, folder):
        self.folder = folder
        self.programs = find_programs()
        self.port = free_port()
        self.data = os.path.join(folder, "pgdata")
        self.socket = os.path.join(folder, "socket")
        # PostgreSQL refuses to run as root.
        self.account = pwd.getpwnam("postgres") if os.getuid() == 0 else None
        self.process = None

    def __enter__(self):
        os.makedirs(self.socket)
        if self.account:
            os.chmod(self.folder, 0o755)
            os.makedirs(self.data)
            for path in (self.data, self.socket):
                os.chown(path, self.account.pw_uid, self.account.pw_gid)
        self._run_as_account(["initdb", "-D", self.data, "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"])
        settings = [argument for key, value in SETTINGS.items() for argument in ("-c", f"{key}={value}")]
        log = open(os.path.join(self.folder, "server.log"), "wb")
        self.process = subprocess.Popen(
            [os.path.join(self.programs, "postgres"), "-D", self.data, "-k", self.socket, "-p", str(self.port), *settings],
            stdout=log, stderr=log, start_new_session=True, **self._account())
        try:
            self._wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGINT)  # fast shutdown: sessions are ended
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()
        shutil.rmtree(self.data, ignore_errors=True)

    def dsn(self, database):
        return f"host={self.socket} port={self.port} user=postgres dbname={database}"

    def uri(self, database):
        return f"postgresql://postgres@/{database}?host={self.socket}&port={self.port}"

    def connect(self, database="postgres"):
        return psycopg.connect(self.dsn(database), autocommit=True)

    def create_database(self, name):
        with self.connect() as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            connection.execute(f'CREATE DATABASE "{name}"')

    def drop_database(self, name):
        with self.connect() as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def cpu_seconds(self):
        """Of all sessions that have ended, to a hundredth of a second."""
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")  # cutime, cstime

    def version(self):
        with self.connect() as connection:
            return connection.execute("SHOW server_version").fetchone()[0].split()[0]

    def _account(self):
        if not self.account:
            return {}
        return {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}

    def _run_as_account(self, command):
        command = [os.path.join(self.programs, command[0]), *command[1:]]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, **self._account())
        if done.returncode != 0:
            raise SystemExit(f"bench: {command[0]} failed: {done.stderr.strip()}")

    def _wait_until_ready(self):
        deadline = time.monotonic() + 30
        while True:
            try:
                self.connect().close()
                return
            except psycopg.OperationalError as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    with open(os.path.join(self.folder, "server.log")) as log:
                        raise SystemExit(f"bench: PostgreSQL does not start: {error}\n{log.read()}")
                time.sleep(0.05)

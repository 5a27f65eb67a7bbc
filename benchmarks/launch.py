"""Run a command and measure it: wall time, processor time and peak memory of that process alone.

    python benchmarks/launch.py REPORT COMMAND…

Writes {"seconds", "cpu_seconds", "peak_bytes", "code"} to REPORT as JSON. A process of its own, and a small one: what a
parent holds when it starts a child counts as the child's peak (the kernel keeps the larger of both at exec), so that
a large parent cannot measure a small child.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Usage:
    """What a command took: wall and processor seconds, peak resident bytes, exit code."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    code: int


def measure(command: list[str], report: Path, log: Path | None = None) -> Usage:
    """Run a command by way of this file; its standard error goes to `log` where one is given, and is shown."""
    wrapped = [sys.executable, os.path.abspath(__file__), os.fspath(report), *command]
    with subprocess.Popen(wrapped, stderr=subprocess.PIPE, text=True) as process:
        lines = []
        for line in process.stderr:
            sys.stderr.write(line)
            lines.append(line)
    if log is not None:
        log.write_text("".join(lines), encoding="utf-8")
    return Usage(**json.loads(report.read_text()))


def main(report: str, *command: str) -> int:
    start = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    code = os.waitstatus_to_exitcode(status)
    taken = {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_bytes": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        "code": code,
    }
    Path(report).write_text(json.dumps(taken))
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

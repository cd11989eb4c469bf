"""Trains the runs of a study, each in a process of its own; what is done is not done again."""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple

from multvae_tf.errors import RunError
from studies.study import Run

_SECONDS_BETWEEN_LOOKS = 0.2


class _Started(NamedTuple):
    process: subprocess.Popen
    time: float


class StudyRunner:
    """Starts what is missing, watches it, and says how far it has come.

    A run's process holds a lock on its log for as long as it lives. So a run that outlived its runner, or
    that another study trains, is waited for and never started twice.

    Args:
        runs: of the study; those that are finished are left alone, those that were begun are continued.
        command: the words before the flags of the training command.
        where: flags of a new run that say where things are, and change nothing of it.
        parallel: processes at a time, which share the cores.
    """

    def __init__(self, runs: Sequence[Run], command: Sequence[str], where: Sequence[str], parallel: int):
        self._runs = runs
        self._command = command
        self._where = where
        self._parallel = parallel
        self._active: dict[Run, _Started] = {}
        self._durations: list[float] = []
        self._shown = ""

    def run(self) -> None:
        """Returns when all runs are done.

        Raises:
            RunError: a run failed; those beside it were stopped and can be continued.
        """
        try:
            while pending := [r for r in self._runs if r in self._active or not r.folder.is_finished]:
                for run in pending:
                    if run not in self._active and len(self._active) < self._parallel:
                        self._start(run)
                self._show(len(pending))
                time.sleep(_SECONDS_BETWEEN_LOOKS)
                self._collect()
        finally:
            for active in self._active.values():
                active.process.terminate()
            for active in self._active.values():
                active.process.wait()
        self._show(0)

    def _start(self, run: Run) -> None:
        """Starts or continues a run, unless another process is at it or has finished it."""
        folder = run.folder
        folder.folder.mkdir(parents=True, exist_ok=True)
        threads = max(1, len(os.sched_getaffinity(0)) // self._parallel)
        with folder.log_path.open("ab") as log:
            if not _lock(log) or folder.is_finished:
                return
            begun = folder.settings_path.exists()
            flags = ["--resume"] if begun else [*run.arguments, *self._where]
            process = subprocess.Popen(
                [*self._command, *flags, f"--run_dir={folder.folder}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TF_NUM_INTRAOP_THREADS": str(threads)},
            )
        self._active[run] = _Started(process, time.monotonic())

    def _collect(self) -> None:
        """Takes note of the processes that have ended."""
        for run, (process, started) in list(self._active.items()):
            if process.poll() is None:
                continue
            del self._active[run]
            if process.returncode:
                log = run.folder.log_path
                raise RunError(
                    f"the run of {run.setting.name!r} with seed {run.seed} failed, as {log} tells: "
                    f"{_last_line(log)}"
                )
            self._durations.append(time.monotonic() - started)

    def _show(self, num_pending: int) -> None:
        """One line: how many runs are done, which are running, how long the rest may take."""
        line = f"{len(self._runs) - num_pending}/{len(self._runs)} runs done"
        if num_pending:
            now = ", ".join(f"{run.setting.name} (seed {run.seed})" for run in self._active)
            line += f"; {self._time_left(num_pending)}; now {now or 'waiting for another process'}"
        if line == self._shown:
            return
        if sys.stdout.isatty():
            print(f"\r\033[K{line}", end="" if num_pending else "\n", flush=True)
        else:
            print(line, flush=True)
        self._shown = line

    def _time_left(self, num_pending: int) -> str:
        if not self._durations:
            return "time left unknown"
        mean = sum(self._durations) / len(self._durations)
        now = time.monotonic()
        spent = sum(min(mean, now - active.time) for active in self._active.values())
        minutes = (num_pending * mean - spent) / self._parallel / 60
        return f"about {minutes / 60:.1f} h left" if minutes > 90 else f"about {minutes:.0f} min left"


def _lock(file: IO[bytes]) -> bool:
    """Locks an open file for this process and those that inherit it; False if another has the lock."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "it is empty")

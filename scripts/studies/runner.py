"""Trains the runs of a study, each in a process of its own; what is done is not done again."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from tqdm import tqdm

from multvae_tf.errors import RunError
from studies.job import FILE_NAME, Job
from studies.study import Run

_SECONDS_BETWEEN_LOOKS = 0.2
_SCRIPTS = Path(__file__).parents[1]
_WORKER = (sys.executable, "-m", "studies.worker")
_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PROGRESS = "{n_fmt}/{total_fmt} runs done; {elapsed} spent, {remaining} left; {desc}"


class StudyRunner:
    """Starts what is missing, watches it, and says how far it has come.

    A run's process holds a lock on its log for as long as it lives. So a run that outlived its runner, or
    that another study trains, is waited for and never started twice. A run that is continued has the number
    of threads with which it began.

    Args:
        runs: those that are finished are left alone, those that were begun are continued.
        data_dir: the folder of raw and prepared data.
        parallel: processes at a time, which share the cores.
        worker: the words of the command that trains the run in the folder which follows them.

    Example:
        >>> StudyRunner(study.runs(...), "data", parallel=2).run()  # doctest: +SKIP
    """

    def __init__(self, runs: Sequence[Run], data_dir: str, parallel: int, worker: Sequence[str] = _WORKER):
        self._runs = runs
        self._data_dir = data_dir
        self._parallel = parallel
        self._worker = worker
        self._active: dict[Run, subprocess.Popen] = {}

    def run(self) -> None:
        """Returns when all runs are done.

        Raises:
            RunError: a run failed; those beside it were stopped and can be continued.
            KeyboardInterrupt: the process was interrupted; likewise.
            SystemExit: it was told to end by SIGTERM (143) or SIGHUP (129); likewise.
        """
        with _noted_signals() as signals, self._progress_bar() as bar:
            try:
                while pending := self._pending():
                    for run in pending:
                        if run not in self._active and len(self._active) < self._parallel:
                            self._start(run)
                    self._show(bar, len(self._runs) - len(pending))
                    time.sleep(_SECONDS_BETWEEN_LOOKS)
                    if signals:
                        break
                    self._collect()
                else:
                    self._show(bar, len(self._runs))
            finally:
                for process in self._active.values():
                    process.terminate()
                for process in self._active.values():
                    process.wait()
        if signals:
            _end_as_told(signals[0])

    def _pending(self) -> list[Run]:
        return [run for run in self._runs if run in self._active or not run.folder.is_finished]

    def _start(self, run: Run) -> None:
        """Starts or continues a run, unless another process is at it or has finished it."""
        folder = run.folder.folder
        folder.mkdir(parents=True, exist_ok=True)
        with run.folder.log_path.open("ab") as log:
            if not _lock(log) or run.folder.is_finished:
                return
            threads = self._threads(run)
            Job(
                model=run.setting.model,
                data=run.data,
                overrides={**run.overrides, "seed": run.seed},
                data_dir=self._data_dir,
                threads=threads,
                command=f"python scripts/train.py {run.command_line}",
            ).write(folder)
            paths = [str(_SCRIPTS), *filter(None, [os.environ.get("PYTHONPATH")])]
            settings = {"PYTHONPATH": os.pathsep.join(paths), "TF_NUM_INTRAOP_THREADS": str(threads)}
            self._active[run] = subprocess.Popen(
                [*self._worker, str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **settings},
            )

    def _threads(self, run: Run) -> int:
        """Those with which the run began, or else its share of the cores."""
        folder = run.folder.folder
        if run.folder.settings_path.exists() and (folder / FILE_NAME).exists():
            return Job.read(folder).threads
        return max(1, len(os.sched_getaffinity(0)) // self._parallel)

    def _collect(self) -> None:
        """Takes note of the processes that have ended.

        Raises:
            RunError: one of them failed.
        """
        for run, process in list(self._active.items()):
            if process.poll() is None:
                continue
            del self._active[run]
            if process.returncode:
                name, log = f"the run of {run.setting.name!r} with seed {run.seed}", run.folder.log_path
                raise RunError(f"{name} {_how_it_failed(process.returncode, log)}")

    def _progress_bar(self) -> tqdm:
        return tqdm(
            total=len(self._runs),
            initial=len(self._runs) - len(self._pending()),
            file=sys.stdout,
            bar_format=_PROGRESS,
            smoothing=0,
            mininterval=0,
        )

    def _show(self, bar: tqdm, num_done: int) -> None:
        """One line: how many runs are done, how long that took and the rest may take, which are running."""
        names = ", ".join(f"{run.setting.name} (seed {run.seed})" for run in self._active)
        now = (
            "that is all" if num_done == len(self._runs) else f"now {names or 'waiting for another process'}"
        )
        has_changed = (num_done, now) != (bar.n, bar.desc)
        bar.n = num_done
        bar.set_description_str(now, refresh=False)
        if has_changed or sys.stdout.isatty():
            bar.refresh()


@contextlib.contextmanager
def _noted_signals() -> Iterator[list[int]]:
    """The signals that would end this process, as they come; those that are ignored stay ignored.

    None of them interrupts what is being done: a process that was just started would be left alone.
    """
    noted: list[int] = []
    before = {number: signal.getsignal(number) for number in _ENDING_SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, lambda number, _: noted.append(number))
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_as_told(number: int) -> None:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    name = signal.Signals(number).name
    print(f"Ended by {name}; the same command goes on where this one was.", file=sys.stderr)
    raise SystemExit(128 + number)


def _lock(file: IO[bytes]) -> bool:
    """Locks an open file for this process and those that inherit it; False if another has the lock."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _how_it_failed(status: int, log: Path) -> str:
    if status < 0:
        reason = " (out of memory?)" if -status == signal.SIGKILL else ""
        return f"was killed by signal {-status}{reason}; its log is {log}"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    last = next((line.strip() for line in reversed(lines) if line.strip()), "it is empty")
    return f"failed, as {log} tells: {last}"

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
from studies.job import Job
from studies.study import PlannedRun

_SECONDS_BETWEEN_LOOKS = 0.2
_SCRIPTS = Path(__file__).parents[1]
_WORKER = (sys.executable, "-m", "studies.worker")
_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PROGRESS = "{n_fmt}/{total_fmt} runs done; {elapsed} spent, {remaining} left; {desc}"


class StudyRunner:
    """Starts what is missing, watches it, and says how far it has come.

    A run's process holds a lock on its log for as long as it lives. So a run that outlived its runner, or
    that another study trains, is waited for and never started twice.

    Args:
        runs: those that are finished are left alone, those that were begun are continued.
        data_dir: the folder of raw and prepared data.
        parallel: processes at a time, which share the cores.
        worker: the words of the command that trains the job which follows them, see `studies.worker`.

    Example:
        >>> StudyRunner(study.plan(...), "data", parallel=2).run()  # doctest: +SKIP
    """

    def __init__(
        self, runs: Sequence[PlannedRun], data_dir: str, parallel: int, worker: Sequence[str] = _WORKER
    ):
        self._runs = runs
        self._data_dir = data_dir
        self._parallel = parallel
        self._worker = worker
        self._active: dict[PlannedRun, subprocess.Popen] = {}

    def run(self) -> None:
        """Returns when all runs are done; a signal that ends the process ends its runs first.

        Raises:
            RunError: a run failed; those beside it were stopped and can be continued.
        """
        with _noted_signals() as signals, self._progress_bar() as bar:
            try:
                while pending := self._pending():
                    for planned in pending:
                        if planned not in self._active and len(self._active) < self._parallel:
                            self._start(planned)
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
            signal.raise_signal(signals[0])

    def _pending(self) -> list[PlannedRun]:
        return [one for one in self._runs if one in self._active or not one.run.is_finished]

    def _start(self, planned: PlannedRun) -> None:
        """Starts or continues a run, unless another process is at it or has finished it."""
        run = planned.run
        run.folder.mkdir(parents=True, exist_ok=True)
        with run.log_path.open("ab") as log:
            if not _lock(log) or run.is_finished:
                return
            job = Job(
                folder=str(run.folder),
                model=planned.setting.model,
                data=planned.data,
                overrides=planned.settings,
                data_dir=self._data_dir,
                command=planned.command,
            )
            threads = max(1, len(os.sched_getaffinity(0)) // self._parallel)
            paths = [str(_SCRIPTS), *filter(None, [os.environ.get("PYTHONPATH")])]
            settings = {"PYTHONPATH": os.pathsep.join(paths), "TF_NUM_INTRAOP_THREADS": str(threads)}
            self._active[planned] = subprocess.Popen(
                [*self._worker, job.to_json()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **settings},
            )

    def _collect(self) -> None:
        """Takes note of the processes that have ended.

        Raises:
            RunError: one of them failed.
        """
        for planned, process in list(self._active.items()):
            if process.poll() is None:
                continue
            del self._active[planned]
            if process.returncode:
                how = _how_it_failed(process.returncode, planned.run.log_path)
                raise RunError(f"the run of {planned.name} {how}")

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
        names = ", ".join(planned.name for planned in self._active)
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

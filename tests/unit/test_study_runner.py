"""The runner of a study, with a stand-in for training: what it starts, continues, waits for and stops."""

import fcntl
import json
import os
import re
import signal
import sys
import threading
import time

import pytest

from multvae_tf.errors import RunError
from studies import study
from studies.runner import StudyRunner

# Notes how it was called; then does as the run's latent_dim says, and writes the last file of a run.
STAND_IN = """
import json, os, pathlib, signal, sys, time
job = json.loads(sys.argv[1])
folder = pathlib.Path(job["folder"])
calls = folder / "calls.json"
earlier = json.loads(calls.read_text()) if calls.exists() else []
call = {"job": job, "threads": os.environ["TF_NUM_INTRAOP_THREADS"]}
calls.write_text(json.dumps([*earlier, call]))
(folder / "config.json").write_text("{}")
print("the stand-in speaks")
dim = job["overrides"]["latent_dim"]
if dim == 1:
    while len(list(folder.parent.glob("*/config.json"))) < 2:
        time.sleep(0.01)
    sys.exit("it broke")
if dim == 5:
    os.kill(os.getpid(), signal.SIGKILL)
while dim == 2 and not (folder / "go").exists():
    time.sleep(0.01)
(folder / "README.md").write_text("")
"""
BREAKS, HANGS, WORKS, WORKS_TOO, IS_KILLED = 1, 2, 3, 4, 5


@pytest.fixture
def runs(tmp_path):
    """Makes the runs of settings with these values of latent_dim."""

    def make(*dims, seeds=(1,)):
        settings = tuple(study.Setting(f"z {dim}", "multvae", {"latent_dim": dim}, {}) for dim in dims)
        one = study.Study("n", "t", "v", "", "ml20m", "", settings, ())
        common = {"epochs": 3}
        return study.plan(
            one, seeds, {"dataset": "demo"}, common, tmp_path / "runs", lambda *_: ("seed", "epochs")
        )

    return make


def runner(runs, tmp_path, parallel=1):
    (tmp_path / "worker.py").write_text(STAND_IN)
    return StudyRunner(runs, "my data", parallel, [sys.executable, str(tmp_path / "worker.py")])


def calls(run):
    path = run.folder / "calls.json"
    return json.loads(path.read_text()) if path.exists() else []


def progress(capsys):
    """What was shown, line by line: runs done, time left, what is done now."""
    lines = re.split(r"[\r\n]+", capsys.readouterr().out)
    pattern = r"(\d+/\d+) runs done; [\d:]+ spent, ([\d:?]+) left; (.+?) *"
    return [match.groups() for line in lines if (match := re.fullmatch(pattern, line))]


def assert_its_process_is_gone(run):
    with run.log_path.open() as log:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)  # Raises while the process lives, which has the lock.


def test_every_run_is_started_once_with_its_share_of_the_cores(runs, tmp_path, capsys):
    all_runs = runs(WORKS, WORKS_TOO, seeds=(1, 2))
    runner(all_runs, tmp_path, parallel=2).run()
    for planned in all_runs:
        run = planned.run
        (call,) = calls(run)
        assert call["job"] == {
            "folder": str(run.folder),
            "model": "multvae",
            "data": {"dataset": "demo"},
            "overrides": {"epochs": 3, **planned.setting.flags, "seed": planned.seed},
            "data_dir": "my data",
            "command": planned.command,
        }
        assert int(call["threads"]) == max(1, len(os.sched_getaffinity(0)) // 2)
        assert "the stand-in speaks" in run.log_path.read_text()
    shown = progress(capsys)
    assert shown[0] == ("0/4", "?", "now z 3 (seed 1), z 4 (seed 1)")
    assert shown[-1] == ("4/4", "00:00", "that is all")


def test_what_is_finished_is_left_alone_and_what_was_begun_is_continued(runs, tmp_path):
    finished, begun = runs(WORKS, WORKS_TOO)
    for planned in (finished, begun):
        planned.run.folder.mkdir(parents=True)
        planned.run.settings_path.write_text("{}")
    finished.run.card_path.write_text("")
    runner([finished, begun], tmp_path).run()
    assert calls(finished.run) == []
    assert len(calls(begun.run)) == 1


def test_a_run_that_fails_stops_the_others(runs, tmp_path):
    breaks, hangs = runs(BREAKS, HANGS)
    with pytest.raises(RunError, match=r"run of z 1 \(seed 1\) failed, as .*train\.log tells: it broke$"):
        runner([breaks, hangs], tmp_path, parallel=2).run()
    assert len(calls(hangs.run)) == 1
    assert_its_process_is_gone(hangs.run)


def test_a_run_that_was_killed_is_told_as_that(runs, tmp_path):
    """operations.md, row 13."""
    with pytest.raises(RunError, match=r"z 5 \(seed 1\) was killed by signal 9 \(out of memory\?\); its log"):
        runner(runs(IS_KILLED), tmp_path).run()


class EndedError(Exception):
    """What the command's own way to end on a signal raises."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_stops_the_runs_and_then_does_what_it_did_before(number, runs, tmp_path):
    """operations.md, row 13: SIGTERM and SIGHUP end like SIGINT."""
    (hangs,) = runs(HANGS)

    def send_signal():
        while not hangs.run.settings_path.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    def end(*_):
        assert_its_process_is_gone(hangs.run)
        raise EndedError

    before = signal.signal(number, end)
    thread = threading.Thread(target=send_signal)
    thread.start()
    try:
        with pytest.raises(EndedError):
            runner([hangs], tmp_path).run()
    finally:
        signal.signal(number, before)
        thread.join()
    assert_its_process_is_gone(hangs.run)


def test_a_signal_that_is_ignored_stays_ignored(runs, tmp_path):
    hangs, works = runs(HANGS, WORKS)

    def send_signal_then_let_it_go_on():
        while not hangs.run.settings_path.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGHUP)
        (hangs.run.folder / "go").touch()

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    thread = threading.Thread(target=send_signal_then_let_it_go_on)
    thread.start()
    try:
        runner([hangs, works], tmp_path).run()
    finally:
        signal.signal(signal.SIGHUP, before)
        thread.join()
    assert hangs.run.is_finished
    assert works.run.is_finished


def test_a_run_that_another_process_is_at_is_waited_for(runs, tmp_path):
    others, own = runs(WORKS, WORKS_TOO)
    others.run.folder.mkdir(parents=True)
    with others.run.log_path.open("w") as log:
        fcntl.flock(log, fcntl.LOCK_EX)

        def finish_when_the_own_is_finished():
            while not own.run.is_finished:
                time.sleep(0.01)
            others.run.card_path.write_text("")

        thread = threading.Thread(target=finish_when_the_own_is_finished)
        thread.start()
        runner([others, own], tmp_path).run()
        thread.join()
    assert calls(others.run) == []
    assert len(calls(own.run)) == 1


def test_the_time_left_counts_what_is_not_done(runs, tmp_path, capsys):
    runner(runs(WORKS, WORKS_TOO), tmp_path).run()
    second = next(line for line in progress(capsys) if line[0] == "1/2")
    assert re.fullmatch(r"00:0\d", second[1])
    assert second[2] == "now z 4 (seed 1)"

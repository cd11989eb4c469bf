"""The runner of a study, with a stand-in for training: what it starts, continues, waits for and stops."""

import fcntl
import json
import os
import signal
import sys
import threading
import time

import pytest

from multvae_tf.errors import RunError
from studies import study
from studies.runner import StudyRunner

# Notes how it was called; then does as the "run" of its latent_dim says, and writes the last file of a run.
STAND_IN = """
import json, os, pathlib, sys, time
folder = pathlib.Path(next(a for a in sys.argv if a.startswith("--run_dir=")).split("=")[1])
calls = folder / "calls.json"
earlier = json.loads(calls.read_text()) if calls.exists() else []
call = {"arguments": sys.argv[1:], "threads": os.environ["TF_NUM_INTRAOP_THREADS"]}
calls.write_text(json.dumps([*earlier, call]))
(folder / "config.json").write_text("{}")
print("the stand-in speaks")
if "--latent_dim=1" in sys.argv:
    while len(list(folder.parent.glob("*/config.json"))) < 2:
        time.sleep(0.01)
    sys.exit("it broke")
while "--latent_dim=2" in sys.argv:
    time.sleep(0.01)
(folder / "README.md").write_text("")
"""
BREAKS, HANGS, WORKS, WORKS_TOO = 1, 2, 3, 4


@pytest.fixture
def runs(tmp_path):
    """Makes the runs of settings with these values of latent_dim."""

    def make(*dims, seeds=(1,)):
        settings = tuple(study.Setting(f"z {dim}", "multvae", {"latent_dim": dim}, {}) for dim in dims)
        one = study.Study("n", "t", "v", "", "ml20m", "", settings, ())
        return study.runs(one, seeds, {}, tmp_path / "runs")

    return make


def runner(runs, tmp_path, parallel=1):
    (tmp_path / "train.py").write_text(STAND_IN)
    return StudyRunner(runs, [sys.executable, str(tmp_path / "train.py")], ["--data_dir=d"], parallel)


def calls(run):
    path = run.folder.folder / "calls.json"
    return json.loads(path.read_text()) if path.exists() else []


def assert_its_process_is_gone(run):
    with run.folder.log_path.open() as log:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)  # Raises while the process lives, which has the lock.


def test_every_run_is_started_once_with_its_share_of_the_cores(runs, tmp_path, capsys):
    all_runs = runs(WORKS, WORKS_TOO, seeds=(1, 2))
    runner(all_runs, tmp_path, parallel=2).run()
    for run in all_runs:
        (call,) = calls(run)
        assert call["arguments"] == [*run.arguments, "--data_dir=d", f"--run_dir={run.folder.folder}"]
        assert int(call["threads"]) == max(1, len(os.sched_getaffinity(0)) // 2)
        assert "the stand-in speaks" in run.folder.log_path.read_text()
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first == "0/4 runs done; time left unknown; now z 3 (seed 1), z 4 (seed 1)"
    assert last == "4/4 runs done"


def test_what_is_finished_is_left_alone_and_what_was_begun_is_continued(runs, tmp_path):
    finished, begun = runs(WORKS, WORKS_TOO)
    for run in (finished, begun):
        run.folder.folder.mkdir(parents=True)
        run.folder.settings_path.write_text("{}")
    finished.folder.card_path.write_text("")
    runner([finished, begun], tmp_path).run()
    assert calls(finished) == []
    assert [call["arguments"] for call in calls(begun)] == [["--resume", f"--run_dir={begun.folder.folder}"]]


def test_a_run_that_fails_stops_the_others(runs, tmp_path):
    breaks, hangs = runs(BREAKS, HANGS)
    with pytest.raises(RunError, match=r"run of 'z 1' with seed 1 failed, as .*train\.log tells: it broke$"):
        runner([breaks, hangs], tmp_path, parallel=2).run()
    assert len(calls(hangs)) == 1
    assert_its_process_is_gone(hangs)


def test_an_interrupt_stops_the_runs(runs, tmp_path):
    (hangs,) = runs(HANGS)

    def interrupt():
        while not hangs.folder.settings_path.exists():
            time.sleep(0.01)
        signal.raise_signal(signal.SIGINT)

    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            runner([hangs], tmp_path).run()
    finally:
        signal.signal(signal.SIGINT, handler)
        thread.join()
    assert_its_process_is_gone(hangs)


def test_a_run_that_another_process_is_at_is_waited_for(runs, tmp_path):
    others, own = runs(WORKS, WORKS_TOO)
    others.folder.folder.mkdir(parents=True)
    with others.folder.log_path.open("w") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        thread = threading.Thread(target=runner([others, own], tmp_path).run)
        thread.start()
        while not own.folder.is_finished:
            thread.join(0.01)
            assert thread.is_alive()
        others.folder.card_path.write_text("")
    thread.join()
    assert calls(others) == []
    assert len(calls(own)) == 1


def test_the_time_left_counts_what_is_not_done(runs, tmp_path, capsys):
    runner(runs(WORKS, WORKS_TOO), tmp_path).run()
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "1/2 runs done; about 0 min left; now z 4 (seed 1)"

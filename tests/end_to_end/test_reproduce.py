"""A tiny study on the demo data as a user runs it: killed, ended, continued, and its report."""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from multvae_tf import Run

REPOSITORY = Path(__file__).parents[2]
EPOCHS = 4
STUDY = {
    "title": "Sizes", "varies": "the size of z", "source": "made up", "model": "multvae", "base": "small z",
    "settings": [
        {"name": "small z", "flags": {"latent_dim": 2, "hidden_dims": [16]}, "published": {"NDCG@100": 0.4}},
        {"name": "untrained", "model": "multdae", "flags": {"latent_dim": 8, "learning_rate": 1e-9},
         "published": {"NDCG@100": 0.375}},
    ],
    "claims": [
        {"sentence": "Training helps.", "expected": [["untrained", "worse", "small z"]]},
        {"sentence": "Training hurts.", "expected": [["untrained", "better", "small z"]]},
    ],
}  # fmt: skip
COMMAND = [
    sys.executable, str(REPOSITORY / "scripts" / "reproduce.py"), "sizes.json", "--seeds=2",
    f"--epochs={EPOCHS}",
]  # fmt: skip


def start(folder, *flags):
    """Starts the study in a folder, in a process group of its own."""
    return subprocess.Popen(
        [*COMMAND, *flags],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )


def wait_for(process, condition):
    """Returns what the condition does once that is true; fails if the process ends first."""
    while not (found := condition()):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    return found


def state(folder):
    """The identity, time and content of every file of a run."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes()) for path in files}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study that was killed in its second run and continued: its folder, what the kill left, the output."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "sizes.json").write_text(json.dumps(STUDY))
    process = start(folder)
    runs = folder / "runs" / "demo"
    finished = wait_for(process, lambda: list(runs.glob("*/*/README.md")))[0].parent
    begun = wait_for(process, lambda: {p.parent for p in runs.glob("*/*/history.csv")} - {finished}).pop()
    wait_for(process, lambda: (begun / "checkpoints" / "checkpoint").exists())
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (begun / "README.md").exists()
    before = {path: state(path) for path in (finished, begun)}
    process = start(folder, "--parallel=2")
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    return folder, before, finished, begun, output


def test_a_killed_study_runs_nothing_again_that_was_finished(study):
    _, before, finished, _, output = study
    assert state(finished) == before[finished]
    assert "1/4 runs done; 00:00 spent, ? left; now " in output
    assert re.search(r"\n4/4 runs done; [\d:]+ spent, 00:00 left; that is all *\n", output)


def test_a_killed_study_continues_the_run_that_it_was_at(study):
    _, before, _, begun, _ = study
    settings = begun / "config.json"
    assert state(begun)[settings] == before[begun][settings]
    history = (begun / "history.csv").read_text()
    assert len(history.splitlines()) == 1 + EPOCHS
    assert history.startswith(before[begun][begun / "history.csv"][2].decode().splitlines()[0])
    log = (begun / "train.log").read_text()
    assert log.count("Epoch 1/") == 1  # The second process of the run began at a later epoch.
    assert log.count("multvae on demo") + log.count("multdae on demo") == 2
    # operations.md, row 8: it began with all cores, and goes on with all, though the next share them.
    assert "its last bits will differ" not in log
    cores = len(os.sched_getaffinity(0))
    threads = [
        int(Run.open(p.parent).settings.environment["threads"])
        for p in begun.parents[1].glob("*/*/config.json")
    ]
    assert sorted(threads) == [max(1, cores // 2)] * 2 + [cores] * 2


def test_a_finished_study_only_writes_its_report_again(study):
    folder, *_ = study
    runs, report = state(folder / "runs"), folder / "reports" / "sizes-demo"
    written = {path.name: path.read_bytes() for path in report.iterdir()}
    assert sorted(written) == ["README.md", "beta.png", "differences.png", "validation.png"]
    process = start(folder, "--parallel=2", "--html")
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert state(folder / "runs") == runs
    again = {path.name: path.read_bytes() for path in report.iterdir()}
    page = again.pop("report.html").decode()
    assert page.count('<img src="data:image/png;base64,') == 3
    assert "http" not in page
    again["README.md"] = again["README.md"].replace(b" --html", b"")
    assert again == written


def test_the_report_has_its_tables_figures_and_commands(study):
    folder, *_ = study
    report = folder / "reports" / "sizes-demo"
    text = (report / "README.md").read_text()
    figures = re.findall(r"!\[.*\]\((.*)\)", text)
    assert figures == ["differences.png", "validation.png", "beta.png"]
    for name in figures:
        pixels = matplotlib.image.imread(report / name)
        assert pixels.shape[1] > 600
        assert len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) > 10
        assert (report / name).stat().st_size < 100_000
    row = next(line for line in text.splitlines() if line.startswith("| untrained | 0."))
    assert row.split(" | ")[-3:] == ["worse", "0.3750", "-0.0250 |"]
    assert "| Training helps. | holds |" in text
    assert "| Training hurts. | does not hold |" in text
    assert "python scripts/reproduce.py sizes.json --seeds=2 --epochs=4 --parallel=2" in text
    assert (
        "python scripts/train.py --model=multvae --epochs=4 --latent_dim=2 --hidden_dims=16 --seed=1" in text
    )
    assert str(REPOSITORY) not in text
    header, first = re.search(r"\| setting \| epoch .*\n\|.*\n(\|.*)", text).group(0).splitlines()[::2]
    assert header.endswith("| training, s | peak memory, MiB |")
    assert float(first.split("|")[-2].replace(",", "")) > 100


def test_sigterm_ends_the_study_and_its_trainings(tmp_path):
    """operations.md, row 13: a training outlived its study."""
    (tmp_path / "sizes.json").write_text(json.dumps(STUDY))
    process = start(tmp_path, "--epochs=1000")
    log = wait_for(
        process, lambda: [p.parent / "train.log" for p in tmp_path.glob("runs/*/*/*/history.csv")]
    )[0]
    process.terminate()
    _, errors = process.communicate()
    assert process.returncode == 143
    assert errors == "\nStopped by SIGTERM.\n"
    with log.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # Raises while the training lives, which has it.


def test_a_study_on_several_datasets_ends_with_their_ranks(tmp_path):
    settings = [{"name": "small z", "flags": {"latent_dim": 2, "hidden_dims": [4]}}, {"name": "large z"}]
    content = STUDY | {"settings": settings, "claims": []}
    (tmp_path / "sizes.json").write_text(json.dumps(content))
    random = np.random.default_rng(1)
    pairs = {(user, item) for user, item in random.integers((200, 40), size=(3000, 2)).tolist()}
    ratings = "".join(f"u{user},i{item},5\n" for user, item in sorted(pairs))
    (tmp_path / "other.csv").write_text("userId,movieId,rating\n" + ratings)
    process = start(tmp_path, "--datasets=demo,other.csv", "--seeds=1", "--epochs=1", "--parallel=2")
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "The report is reports/sizes-demo-other/README.md." in output
    text = (tmp_path / "reports" / "sizes-demo-other" / "README.md").read_text()
    assert "| setting | demo | other | mean rank |" in text
    assert text.index("## demo") < text.index("## other")
    assert sorted(path.name for path in (tmp_path / "reports").iterdir()) == [
        "sizes-demo", "sizes-demo-other", "sizes-other",
    ]  # fmt: skip
    commands = (tmp_path / "reports" / "sizes-other" / "README.md").read_text()
    assert (
        "--model=multvae --dataset=other.csv --epochs=1 --latent_dim=2 --hidden_dims=4 --seed=1" in commands
    )


def test_a_run_that_fails_ends_the_study_with_one_sentence_that_names_its_log(tmp_path):
    settings = [{"name": "bad", "flags": {"latent_dim": 0}}]
    (tmp_path / "sizes.json").write_text(
        json.dumps(STUDY | {"settings": settings, "base": "bad", "claims": []})
    )
    process = start(tmp_path)
    _, errors = process.communicate()
    assert process.returncode == 1
    assert re.fullmatch(
        r"Error: the run of bad \(seed 1\) failed, as (runs/demo/multvae/\w+-seed1/train\.log) tells: "
        r"Error: latent_dim is 0; it must be at least 1\n",
        errors,
    )

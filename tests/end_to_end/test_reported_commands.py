"""Faults that users of programs like these have reported, in the commands: each test stands for its kind."""

import csv
import shlex
from pathlib import Path

import numpy as np
import pytest

from commands import command

SMALL = ["--epochs=2", "--hidden_dims=8", "--latent_dim=4", "--batch_size=4"]


def write_ratings(path, title, first_item=1):
    """24 users like 7 of 12 items each."""
    rng = np.random.default_rng(first_item)
    with open(path, "w", encoding="utf-8", newline="") as ratings:
        rows = csv.writer(ratings)
        rows.writerow(["userId", "movieId", "rating", "timestamp"])
        for user in range(24):
            for item in rng.choice(12, size=7, replace=False):
                rows.writerow([user, title.format(item + first_item), 5, 1_600_000_000 + int(item)])


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project that was moved after the training: data, a run whose path has a space, and an export."""
    old = tmp_path_factory.mktemp("project") / "old"
    old.mkdir()
    write_ratings(old / "films.csv", "Film {}, The")
    flags = ["--dataset=films.csv", "--run=my run", "--export", "--top_k=4", *SMALL]
    trained = command("train", *flags, cwd=old)
    assert trained.returncode == 0, trained.stderr
    return old.rename(old.with_name("new")), trained.stdout


def test_report_05_no_user_of_a_file_is_given_an_excluded_item(project):
    folder, _ = project
    (folder / "histories.csv").write_text('user_id,history\nu1,"""Film 1, The"""\nu2,"""Film 2, The"""\n')
    excluded = ",".join(f'"Film {number}, The"' for number in range(3, 11))
    flags = ["--saved_model=saved_models/recommender/1", "--histories=histories.csv", "--output=out.csv"]
    result = command("recommend", *flags, f"--exclude={excluded}", "--k=4", cwd=folder)
    assert result.returncode == 0, result.stderr
    with open(folder / "out.csv", encoding="utf-8", newline="") as rows:
        recommended = {row["item_id"] for row in csv.DictReader(rows)} - {""}
    assert recommended
    assert recommended <= {"Film 1, The", "Film 2, The", "Film 11, The", "Film 12, The"}


@pytest.mark.parametrize(
    ("name", "flag", "message"),
    [
        ("train", "--threshold=4.9", "its threshold is 3.5, not 4.9"),
        ("train", "--dataset=other/films.csv", "its path is films.csv, not other/films.csv"),
        ("evaluate", "--protocol=temporal", "its protocol is strong, not temporal"),
    ],
)
def test_report_06_flags_of_other_data_are_not_silently_ignored(name, flag, message, project):
    folder, _ = project
    (folder / "other").mkdir(exist_ok=True)
    write_ratings(folder / "other" / "films.csv", "Film {}, The", first_item=3)
    resume = ["--resume"] if name == "train" else []
    result = command(name, "--run=my run", *resume, flag, cwd=folder)
    assert result.returncode == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("name", "flags"), [("evaluate", []), ("train", ["--resume"]), ("recommend", ["--history=unknown"])]
)
def test_report_16_a_project_that_was_moved_goes_on(name, flags, project):
    folder, _ = project
    result = command(name, "--run=my run", *flags, cwd=folder)
    assert result.returncode == 0, result.stderr


def test_report_17_printed_commands_can_be_pasted(project):
    folder, printed = project
    pasted = [line.strip() for line in printed.splitlines() if "scripts/recommend.py" in line]
    assert len(pasted) == 2
    for line in pasted:
        _, script, *flags = shlex.split(line)
        result = command(Path(script).stem, *flags, cwd=folder)
        assert result.returncode == 0, result.stderr
        assert "Liked (3 known items):" in result.stdout


def test_report_19_a_file_of_histories_that_nobody_knows_is_told(project):
    folder, _ = project
    (folder / "unknown.csv").write_text("user_id,history\nu1,Film 1 Film 2\nu2,Film 3\n")
    flags = [
        "--saved_model=saved_models/recommender/1",
        "--histories=unknown.csv",
        "--output=unknown.out.csv",
    ]
    result = command("recommend", *flags, "--k=10", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert "2 users, 2 of whom have no known item" in result.stdout + result.stderr
    assert "The model gives at most 4 items" in result.stdout + result.stderr


def test_report_20_users_that_were_trained_on_are_no_test_users(project):
    folder, _ = project
    result = command("evaluate", "--run=my run", "--dataset=films.csv", "--heldout_users=8", cwd=folder)
    assert result.returncode == 1
    assert "were trained on by" in result.stderr or "its heldout_users is None, not 8" in result.stderr

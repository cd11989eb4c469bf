"""The command that prepares data: what it prints, its errors in flags, and the next command."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import case_files

ROOT = Path(__file__).parents[2]
SMALL = ["--heldout_users=5", "--min_user_items=2"]


def prepare(folder, *flags):
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "prepare_data.py"), *flags],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'scripts'}"},
        capture_output=True,
        text=True,
    )


def test_it_tells_what_was_read_the_counts_and_the_next_command(tmp_path):
    path = case_files.write("delimiter_semicolon_decimal_comma.csv", tmp_path)
    path = path.rename(tmp_path / "my plays; all.csv")
    result = prepare(tmp_path, f"--dataset={path.name}", *SMALL, "--export_pro_sg", "out folder")
    assert result.returncode == 0, result.stderr
    told, *counts = result.stdout.splitlines()
    assert told == (
        "my plays; all.csv: 374 rows, separated by ';', ASCII; users in 'userId', items in 'movieId', "
        "ratings in "
        "'rating' with a decimal comma; user ids are integers, in the order of numbers; item ids are integers"
    )
    found = {line[:20].strip(): line[20:].strip() for line in counts}
    assert (found["users"], found["events"], found["contradicting pairs"]) == ("40", "374", "0")
    words = shlex.split(counts[-1])
    assert words == ["python", "scripts/train.py", f"--dataset={path.name}", *SMALL]
    again = prepare(tmp_path, *words[2:])
    assert again.stdout == result.stdout


def test_it_says_whether_the_split_is_the_references(tmp_path):
    """With a catalogue that knows the demo's files: one of them as it is, one not."""
    code = (
        "import dataclasses, hashlib, sys, runpy, data_prep\n"
        "from data_prep import catalogue\n"
        "data_prep.prepare('demo', 'data', 'out')\n"
        "sid = hashlib.sha256(open('out/unique_sid.txt', 'rb').read()).hexdigest()\n"
        "train = open('out/train.csv', 'rb').read()\n"
        "git = hashlib.sha1(b'blob %d\\0' % len(train) + train).hexdigest()\n"
        "hashes = {'unique_sid.txt': f'sha256:{sid}', 'train.csv': f'git:{git}'}\n"
        "hashes['test_te.csv'] = sys.argv[1]\n"
        "entry = catalogue.CATALOGUE['demo']\n"
        "catalogue.CATALOGUE['demo'] = dataclasses.replace(entry, pro_sg_hashes=hashes)\n"
        "print(data_prep.prepare('demo', 'other').reference_files)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, "sha256:0"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert result.stdout == "{'unique_sid.txt': True, 'train.csv': True, 'test_te.csv': False}\n"


@pytest.mark.parametrize(
    ("name", "flags", "message"),
    [
        ("no_header.csv", [], "say what its columns are, such as --columns=user,item,rating"),
        ("delimiter_tab.csv", ["--user_column=who"], "name the column of users with --user_column=NAME"),
        ("header_spaces.csv", ["--heldout_users=30"], "set --heldout_users=NUMBER"),
        ("header_spaces.csv", ["--protocol=temporal"], "has no column 'timestamp'"),
    ],
)
def test_its_errors_are_one_sentence_that_names_the_flag(name, flags, message, tmp_path):
    path = case_files.write(name, tmp_path)
    result = prepare(tmp_path, f"--dataset={path.name}", *SMALL, *flags)
    assert result.returncode == 1
    assert message in result.stderr
    assert result.stderr.startswith("Error: ")
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "data").exists()


def test_interactions_are_appended(tmp_path):
    header, *lines = case_files.text().splitlines(keepends=True)
    (tmp_path / "old.csv").write_text(header + "".join(lines[:300]))
    (tmp_path / "a.csv").write_text(header + "".join(lines[300:350]))
    (tmp_path / "b.csv").write_text(header + "".join(lines[350:]))
    result = prepare(tmp_path, "--dataset=old.csv", *SMALL, "--append=a.csv", "--append=b.csv")
    assert result.returncode == 0, result.stderr
    assert "then b.csv: 24 rows" in result.stdout
    assert shlex.split(result.stdout.splitlines()[-1])[-2:] == ["--append=a.csv", "--append=b.csv"]

"""What README and docs say exists: files, commands, and the flags that these know."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PAGES = [
    *REPOSITORY.glob("*.md"),
    *REPOSITORY.glob("docs/**/*.md"),
    REPOSITORY / "saved_models" / "README.md",
]
COMMANDS = sorted(path.stem for path in (REPOSITORY / "scripts").glob("*.py"))


def commands_in(text):
    """(script, flags) of every command in a page, continued lines included."""
    text = text.replace("\\\n", " ")
    for script, words in re.findall(r"python scripts/(\w+)\.py([^\n|`#]*)", text):
        yield script, re.findall(r"--(\w+)", words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_what_a_page_links_to_exists(page):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [
        link
        for link in links
        if not link.startswith(("http://", "https://")) and not (page.parent / link).exists()
    ]
    assert missing == []


@pytest.fixture(scope="module")
def flags_of():
    """The flags that each command knows, of every model."""
    known = {}
    for script in COMMANDS:
        code = (
            f"import sys; sys.path.insert(0, 'scripts'); import {script}\n"
            "from absl import flags; print(' '.join(flags.FLAGS))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
        )
        known[script] = set(done.stdout.split())
    return known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_commands_on_a_page_exist_with_their_flags(page, flags_of):
    for script, flags in commands_in(page.read_text(encoding="utf-8")):
        assert script in COMMANDS
        unknown = [flag for flag in flags if flag.removeprefix("no") not in flags_of[script] | {"help"}]
        unknown = [flag for flag in unknown if flag not in flags_of[script]]
        assert unknown == [], f"{script}: {unknown}"


def test_a_wrong_flag_would_be_found(flags_of):
    ((script, flags),) = commands_in("python scripts/train.py --epoch=3 \\\n  --seed=1")
    assert (script, [flag for flag in flags if flag not in flags_of[script]]) == ("train", ["epoch"])

"""A tiny study on the demo data as a user runs it: killed, continued, its report, and that in a browser."""

import html.parser
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium")
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


def start(folder, command=COMMAND):
    """Starts a study in a folder, in a process group of its own."""
    return subprocess.Popen(
        command,
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
    process = start(folder)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    return folder, before, finished, begun, output


def test_a_killed_study_runs_nothing_again_that_was_finished(study):
    _, before, finished, _, output = study
    assert state(finished) == before[finished]
    assert output.startswith("1/4 runs done; time left unknown; now ")
    assert "\n4/4 runs done\n" in output


def test_a_killed_study_continues_the_run_that_it_was_at(study):
    _, before, _, begun, _ = study
    settings = begun / "config.json"
    assert state(begun)[settings] == before[begun][settings]
    history = (begun / "history.csv").read_text()
    assert len(history.splitlines()) == 1 + EPOCHS
    assert history.startswith(before[begun][begun / "history.csv"][2].decode().splitlines()[0])
    log = (begun / "train.log").read_text()
    assert log.count("Epoch 1/") == 1  # The second process of the run began at a later epoch.
    assert len(re.findall("If this is stopped", log)) == 2


def test_a_finished_study_only_writes_its_report_again(study):
    folder, *_ = study
    runs, report = state(folder / "runs"), folder / "reports" / "sizes-demo"
    written = {path.name: path.read_text() for path in report.iterdir()}
    process = start(folder)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert state(folder / "runs") == runs
    assert {path.name: path.read_text() for path in report.iterdir()} == written


def test_the_report_has_its_tables_figures_and_commands(study):
    folder, *_ = study
    report = folder / "reports" / "sizes-demo"
    text = (report / "README.md").read_text()
    figures = re.findall(r"!\[.*\]\((.*)\)", text)
    assert figures == ["differences.svg", "validation.svg", "beta.svg"]
    for name in figures:
        root = xml.etree.ElementTree.parse(report / name).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) > 10
        assert (report / name).stat().st_size < 200_000
    row = next(line for line in text.splitlines() if line.startswith("| untrained | 0."))
    assert row.split(" | ")[-3:] == ["worse", "0.3750", "-0.0250 |"]
    assert "| Training helps. | holds |" in text
    assert "| Training hurts. | does not hold |" in text
    assert "python scripts/reproduce.py sizes.json --seeds=2 --epochs=4" in text
    assert (
        "python scripts/train.py --model=multvae --epochs=4 --latent_dim=2 --hidden_dims=16 --seed=1" in text
    )
    assert str(REPOSITORY) not in text


def test_a_run_that_fails_ends_the_study_with_one_sentence_that_names_its_log(tmp_path):
    settings = [{"name": "bad", "flags": {"latent_dim": 0}}]
    (tmp_path / "sizes.json").write_text(
        json.dumps(STUDY | {"settings": settings, "base": "bad", "claims": []})
    )
    process = start(tmp_path)
    _, errors = process.communicate()
    assert process.returncode == 1
    assert re.fullmatch(
        r"Error: the run of 'bad' with seed 1 failed, as (runs/demo/multvae/\w+-seed1/train\.log) tells: "
        r"Error: latent_dim is 0; it must be at least 1\n",
        errors,
    )


MEASURE = """<script>
const boxes = [...document.querySelectorAll("figure svg")].map(svg => svg.getBoundingClientRect());
const requests = performance.getEntriesByType("resource").map(entry => entry.name);
document.documentElement.dataset.measured = JSON.stringify({
  figures: boxes.map(box => [box.width, box.height]),
  lines: document.querySelectorAll("figure svg [id^=line2d] path").length,
  tables: document.querySelectorAll("table").length,
  requests});
</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_the_page_shows_its_figures_in_a_browser_and_asks_for_nothing(study, tmp_path):
    folder, *_ = study
    page = (folder / "reports" / "sizes-demo" / "report.html").read_text()
    measured_page = tmp_path / "report.html"
    measured_page.write_text(page.replace("</body>", MEASURE + "</body>"))
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    )
    result = subprocess.run(
        [CHROMIUM, *flags.split(), "--disable-component-update", "--disable-background-networking",
         f"--user-data-dir={tmp_path / 'profile'}", "--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom",
         measured_page.as_uri()],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    attribute = re.search('data-measured="([^"]*)"', result.stdout)
    assert attribute, result.stderr
    measured = json.loads(html.unescape(attribute.group(1)))
    assert measured["requests"] == []
    assert len(measured["figures"]) == 3
    assert all(width > 300 and height > 50 for width, height in measured["figures"])
    assert measured["lines"] > 10
    assert measured["tables"] >= 8


class Addresses(html.parser.HTMLParser):
    """What the attributes of a page point to."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        names = ("src", "href", "xlink:href", "srcset", "data", "action", "xmlns")
        self.found += [value for name, value in attributes if name in names]


def test_the_page_points_to_nothing_outside_itself(study):
    folder, *_ = study
    page = (folder / "reports" / "sizes-demo" / "report.html").read_text()
    addresses = Addresses()
    addresses.feed(page)
    assert addresses.found
    assert all(address.startswith("#") for address in addresses.found)
    assert "http" not in page
    assert all(address.startswith("#") for address in re.findall(r"url\(([^)]*)\)", page))

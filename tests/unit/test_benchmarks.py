"""The benchmarks on tiny data: what they compare computes the same, and all figures are there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import evaluation_ways, step_timing, synthetic, whole_run
from benchmarks.synthetic import Shape
from benchmarks.timing import Timings, alternate
from multvae_tf import MultVAE
from multvae_tf.errors import RunError

SCRIPTS = Path(__file__).parents[2] / "scripts"
TINY = Shape(num_users=60, num_items=150, num_interactions=900)
SMALL = {"hidden_dims": (8,), "latent_dim": 4}


def test_figures_are_medians_and_ratios_within_a_round():
    figures = Timings({"ours": [1.0, 2.0, 9.0], "plain": [2.0, 2.0, 3.0], "floor": [0.5, 1.0, 1.0]}).figures()
    assert figures.pop("peak_memory_bytes") > 0
    assert figures.pop("rounds") == 3
    assert figures == {
        "ours_ms": 2000, "plain_ms": 2000, "floor_ms": 1000, "ratio_to_plain": 1, "ratio_to_floor": 2,
    }  # fmt: skip


def test_every_way_runs_once_a_round_in_turn_and_the_first_rounds_do_not_count():
    order = []
    ways = {name: (lambda name=name: order.append(name)) for name in ("ours", "plain")}
    timings = alternate(ways, rounds=2, warm_up=1)
    assert order == ["ours", "plain"] * 3
    assert [len(seconds) for seconds in timings.seconds.values()] == [2, 2]


def test_a_fifth_is_held_out_and_nothing_is_lost():
    matrix = synthetic.interactions(TINY, seed=1)
    fold_in, held_out = evaluation_ways.fold_in_and_held_out(matrix)
    np.testing.assert_array_equal((fold_in + held_out).toarray(), matrix.toarray())
    assert held_out.nnz / matrix.nnz == pytest.approx(0.2, abs=0.05)


def test_numpy_gives_the_metrics_that_ours_are_timed_beside():
    fold_in, held_out = evaluation_ways.fold_in_and_held_out(synthetic.interactions(TINY, seed=1))
    users = np.flatnonzero(np.diff(held_out.indptr))
    fold_in, held_out = fold_in[users], held_out[users]
    model = MultVAE(TINY.num_items, **SMALL)
    plain = evaluation_ways.numpy_metrics(model, fold_in, held_out, batch_size=25)
    ours = model.rank_users(fold_in, held_out, 25).metrics
    for name, values in ours.items():
        np.testing.assert_allclose(plain[name], values, atol=1e-6)


def test_evaluate_measures_both_ways():
    figures = evaluation_ways.measure(SMALL, TINY, num_users=30, batch_size=10, rounds=1)
    assert figures["largest_difference"] < 1e-6
    assert {"users", "rounds", "ours_ms", "plain_ms", "ratio_to_plain"} <= figures.keys()


@pytest.mark.parametrize("model", ["multvae", "recvae"])
def test_train_step_measures_ours_beside_the_plain_way_and_the_floor(model):
    figures = step_timing.measure(model, {"batch_size": 20}, TINY, rounds=1)
    assert {"ours_ms", "plain_ms", "floor_ms", "ratio_to_plain", "ratio_to_floor"} <= figures.keys()


def test_train_step_with_other_settings_measures_ours_alone(capsys):
    figures = step_timing.measure("multvae", {"batch_size": 20, **SMALL, "beta": "cyclical"}, TINY, rounds=1)
    assert "plain_ms" not in figures
    assert "Without plain and floor" in capsys.readouterr().out
    with pytest.raises(RunError, match="model is ease; train_step measures multvae and recvae"):
        step_timing.measure("ease", {}, TINY, rounds=1)


def test_epoch_measures_a_whole_run(tmp_path, monkeypatch):
    monkeypatch.setitem(synthetic.SHAPES, "tiny", TINY)
    synthetic.stored_interactions("tiny", 1, tmp_path)
    given = {"epochs": 1, "batch_size": 20, **SMALL}
    figures = whole_run.measure("multvae", given, "tiny", None, tmp_path)
    assert figures["epochs"] == 1
    assert figures["step_ms"] == pytest.approx(1e3 * figures["seconds_per_epoch"] / 3)
    assert figures["input_to_step"] == pytest.approx(figures["input_ms"] / figures["step_ms"])


HELP = """
import runpy, sys
sys.argv = [sys.argv[1], "--help"]
runpy.run_path(sys.argv[0], run_name="__main__")
assert not {"tensorflow", "keras", "pandas", "matplotlib"} & set(sys.modules), sorted(sys.modules)
"""


@pytest.mark.parametrize(
    ("name", "groups"),
    [("benchmark", ["Data", "Model", "Training", "Measurement"]), ("reproduce", ["Data", "Study", "Report"])],
)
def test_help_is_in_groups_and_imports_nothing_that_takes_long(name, groups):
    command = [sys.executable, "-c", HELP, str(SCRIPTS / f"{name}.py")]
    paths = [str(SCRIPTS), str(SCRIPTS.parent)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr
    assert re.findall(r"^(\w+):$", result.stdout, re.MULTILINE) == groups
    if name == "benchmark":
        assert f"<{'|'.join(synthetic.SHAPES)}>" in " ".join(result.stdout.split())

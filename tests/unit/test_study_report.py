"""The reports of a study, from results made up by hand: tables, pictures, ranks, and names that stay text."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from multvae_tf.schedules import ConstantBeta, LinearAnnealing, PerUserBeta
from studies import figures, schedule_page, study, study_report, systems_report
from studies.results import SettingResults, StudyData, StudyResults

NUM_USERS, NUM_ITEMS = 40, 12
# Matplotlib would raise an error at a formula that it does not know.
HOSTILE = r"a|b <script>alert(1)</script> $\oops$"
HOSTILE_TOO = r"_c_ $\oops$"


def rows(**columns):
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def history():
    metrics = {f"val_{name}": [0.1, 0.3, 0.2] for name in ("NDCG@100", "Recall@20", "Recall@50")}
    return rows(epoch=[1, 2, 3], kl=[3.0, 2.0, 1.0], beta=[0.1, 0.2, 0.2], **metrics)


def setting_results(setting, mean, *, seconds=1.25, peak_memory_bytes=0.0, num_seeds=2):
    noise = 0.01 * np.random.default_rng(1).standard_normal((num_seeds, NUM_USERS))
    metrics = dict.fromkeys(("NDCG@100", "Recall@20", "Recall@50"), mean + noise)
    return SettingResults(
        setting=setting,
        metrics=metrics,
        histories=[history()] * num_seeds,
        recall_by_popularity=np.full((num_seeds, 3), 0.5),
        coverage={20: np.ones(num_seeds), 100: np.ones(num_seeds)},
        seconds=seconds,
        peak_memory_bytes=peak_memory_bytes,
    )


def study_results(means, dataset="demo", read=("seed",), **costs):
    """Results of settings with these means by name; the first is the base."""
    settings = tuple(study.Setting(name, "multvae", {"latent_dim": n}, {}) for n, name in enumerate(means))
    first, *others = means
    expected = tuple(study.Expectation(name, "better", first) for name in others)
    one = study.Study(
        "n", "Sizes", "the size", "", "ml20m", first, settings, (study.Claim("Size matters.", expected, 0.0),)
    )
    random = scipy.sparse.random(NUM_USERS, NUM_ITEMS, density=0.5, format="csr", random_state=1)
    held_out = scipy.sparse.csr_matrix(np.ones((NUM_USERS, NUM_ITEMS)))
    data = StudyData(dataset, "strong", "f", random, random, held_out)
    found = {s.name: setting_results(s, means[s.name], **costs) for s in settings}
    planned = study.plan(one, [1, 2], {"dataset": dataset}, {}, Path("runs"), lambda *_: read)
    return StudyResults(one, planned, data, found)


def row(text, name):
    """The cells of the first row of this name."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_the_report_compares_each_setting_with_the_base(tmp_path):
    results = study_results({"small": 0.4, "large": 0.5})
    (page,) = study_report.write(results, "python scripts/reproduce.py sizes", tmp_path)
    text = page.read_text()
    assert text.startswith(
        "# Sizes (demo)\n\nVaries: the size. Data: demo, strong protocol, 40 training users"
    )
    assert row(text, "Size matters.") == ["Size matters.", "holds", ""]
    small, large = (
        row(text.partition("| NDCG@100 |")[2], "small"),
        row(text.partition("| NDCG@100 |")[2], "large"),
    )
    assert small[1] == f"{results.settings['small'].metrics['NDCG@100'].mean():.4f}"
    assert small[4:] == ["base", ""]
    assert large[4:] == ["+0.1000 [+0.1000, +0.1000]", "better"]
    assert re.findall(r"!\[.*\]\((.*)\)", text) == ["differences.png", "validation.png", "beta.png"]
    assert "python scripts/train.py --model=multvae --dataset=demo --latent_dim=1 --seed=1" in text


def test_a_study_of_models_that_draw_nothing_has_no_seeds(tmp_path):
    (page,) = study_report.write(study_results({"small": 0.4, "large": 0.5}, read=()), "c", tmp_path)
    assert "Seeds: none, as nothing is drawn." in page.read_text()
    assert "python scripts/train.py --model=multvae --dataset=demo --latent_dim=1\n" in page.read_text()


def test_what_a_run_costs_is_shown(tmp_path):
    (page,) = study_report.write(
        study_results({"small": 0.4}, seconds=1234.5, peak_memory_bytes=512 * 2**20), "c", tmp_path
    )
    costs = page.read_text().partition("| setting | epoch | kl | training, s | peak memory, MiB |")[2]
    assert row(costs, "small")[-2:] == ["1,234", "512"]
    (page,) = study_report.write(study_results({"small": 0.4}), "c", tmp_path)
    costs = page.read_text().partition("| setting | epoch | kl | training, s | peak memory, MiB |")[2]
    assert row(costs, "small")[-2:] == ["1.2", "0"]


def test_hostile_names_stay_text_in_the_report_and_its_pictures(tmp_path):
    results = study_results({HOSTILE: 0.4, HOSTILE_TOO: 0.5})
    markdown, page = study_report.write(results, "c", tmp_path, with_html=True)
    assert "<script" not in markdown.read_text()
    assert "<script" not in page.read_text()
    assert r"a\|b &lt;script&gt;alert(1)&lt;/script&gt; \$\\oops\$" in markdown.read_text()
    assert r"a|b &lt;script&gt;alert(1)&lt;/script&gt; $\oops$" in page.read_text()


def test_ranks_over_datasets(tmp_path):
    results = {
        "one": study_results({"a": 0.4, "b": 0.5, "c": 0.3}, "one"),
        "two": study_results({"a": 0.4, "b": 0.5, "c": 0.6}, "two"),
    }
    (page,) = systems_report.write(results, "python scripts/reproduce.py sizes --dataset=one,two", tmp_path)
    text = page.read_text()
    ranks, _, tables = text.partition("\n## one\n")
    assert row(ranks, "b") == ["b", "1", "2", "1.50"]
    assert row(ranks, "a") == ["a", "2", "3", "2.50"]
    assert ranks.index("| b |") < ranks.index("| c |") < ranks.index("| a |")
    first, second = tables.split("\n## two\n")
    assert row(first, "c")[4:] == ["-0.1000 [-0.1000, -0.1000]", "worse"]
    assert row(second, "c")[4:] == ["+0.2000 [+0.2000, +0.2000]", "better"]
    assert row(second.partition("| setting |")[2], "c")[1:] == ["1.2", "0"]
    assert "--dataset=one,two" in second


def test_equal_settings_share_their_ranks():
    np.testing.assert_array_equal(
        systems_report.rank_settings([[0.1, 0.2, 0.2], [0.3, 0.1, 0.2]]), [[3, 1.5, 1.5], [1, 3, 2]]
    )


def test_curves_are_means_as_far_as_all_runs_went():
    one, other = rows(loss=[1.0, 2.0, 3.0]), rows(loss=[3.0, 6.0])
    both = dataclasses.replace(setting_results(None, 0.1), histories=[one, other])
    np.testing.assert_array_equal(both.curve("loss"), [2, 4])
    assert len(both.curve("kl")) == 0


def test_values_of_the_best_epoch_are_those_of_each_run():
    one = rows(kl=[1.0, 2.0], **{"val_NDCG@100": [0.3, 0.2]})
    other = rows(kl=[5.0, 7.0], **{"val_NDCG@100": [0.2, 0.3]})
    both = dataclasses.replace(setting_results(None, 0.1), histories=[one, other])
    assert both.at_best_epoch("kl") == pytest.approx((1 + 7) / 2)


def texts(figure):
    """What stands in the legends of a figure, and along its axes."""
    legends = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    return legends, [(axes.get_xlabel(), axes.get_ylabel()) for axes in figure.axes]


def test_every_line_has_its_name_and_every_axis_its_unit():
    results = study_results({"small": 0.4, HOSTILE: 0.5})
    settings = list(results.settings.values())
    names, labels = texts(figures.validation_curves(settings))
    assert names == ["small", HOSTILE]
    assert labels == [("epoch", "mean over validation users"), ("epoch", ""), ("epoch", "")]
    assert texts(figures.beta_curves(settings)) == (names, [("epoch", "weight of the KL term")])
    (axes,) = figures.differences(results.differences_to_base(), "NDCG@100", "small").axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [HOSTILE]
    assert axes.get_xlabel() == "NDCG@100, with 95% interval"
    without_beta = [dataclasses.replace(s, histories=[rows(epoch=[1])]) for s in settings]
    assert figures.beta_curves(without_beta) is None


def test_schedules_have_a_line_each_and_those_of_users_one_for_each_of_a_few_users():
    by_name = {"up": LinearAnnealing(100, 0.5), "flat": ConstantBeta(0.3), "each": PerUserBeta(0.01)}
    steps = np.array([0, 50, 100])
    lines = schedule_page.beta_lines(by_name, steps)
    assert list(lines) == ["up", "flat", "each, |x| = 10", "each, |x| = 50", "each, |x| = 200"]
    np.testing.assert_allclose(lines["up"], [0, 0.5, 0.5])
    np.testing.assert_allclose(lines["each, |x| = 50"], [0.5, 0.5, 0.5])
    legend, labels = texts(figures.schedules(lines, steps))
    assert legend == list(lines)
    assert labels == [("update", "weight of the KL term")]

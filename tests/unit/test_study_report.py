"""What a report is made of: blocks as Markdown and HTML, curves of several runs, figures of schedules."""

import re

import numpy as np
import pytest

from multvae_tf.schedules import ConstantBeta, LinearAnnealing, PerUserBeta
from studies import document, figures
from studies.document import Code, Figure, Heading, Paragraph, Table
from studies.results import SettingResults
from studies.study import Setting


def test_blocks_are_written_as_markdown_and_escaped_as_html(tmp_path):
    blocks = [
        Heading("A & B", level=1), Paragraph("x < y"), Table(["a", "b"], [["|x|", "<1>"]]),
        Code("cp a b && c"),
        Figure("drawing", '<svg xmlns="http://www.w3.org/2000/svg"><path d="M 0 0"/></svg>', "It shows <>."),
    ]  # fmt: skip
    document.write(blocks, tmp_path / "new")
    assert (tmp_path / "new" / "README.md").read_text() == (
        "# A & B\n\nx < y\n\n| a | b |\n| --- | ---: |\n| \\|x\\| | <1> |\n\n```\ncp a b && c\n```\n\n"
        "![drawing](drawing.svg)\n\nIt shows <>.\n"
    )
    page = (tmp_path / "new" / "report.html").read_text()
    for part in ("<h1>A &amp; B</h1>", "<p>x &lt; y</p>", "<td>|x|</td><td>&lt;1&gt;</td>",
                 "cp a b &amp;&amp; c", '<svg><path d="M 0 0"/></svg>', "It shows &lt;&gt;."):  # fmt: skip
        assert part in page
    assert (tmp_path / "new" / "drawing.svg").read_text().startswith("<svg xmlns")


def results(*histories):
    return SettingResults(Setting("s", "multvae", {}, {}), {}, list(histories), np.empty((0, 0)), {})


def rows(**columns):
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def test_curves_are_means_as_far_as_all_runs_went():
    both = results(rows(loss=[1.0, 2.0, 3.0]), rows(loss=[3.0, 6.0]))
    np.testing.assert_array_equal(both.curve("loss"), [2, 4])
    assert len(both.curve("kl")) == 0


def test_values_of_the_best_epoch_are_those_of_each_run():
    one = rows(kl=[1.0, 2.0], **{"val_NDCG@100": [0.3, 0.2]})
    other = rows(kl=[5.0, 7.0], **{"val_NDCG@100": [0.2, 0.3]})
    assert results(one, other).at_best_epoch("kl") == pytest.approx((1 + 7) / 2)


def test_schedules_are_drawn_each_with_its_name_and_the_same_every_time():
    by_name = {"up": LinearAnnealing(100, 0.5), "flat": ConstantBeta(0.3), "each": PerUserBeta(0.01)}
    svg = figures.schedules(by_name, num_steps=100)
    assert svg == figures.schedules(by_name, num_steps=100)
    labels = re.findall(r">([^<>]+)</text>", svg)
    for label in ("up", "flat", "each, |x| = 10", "each, |x| = 50", "each, |x| = 200"):
        assert labels.count(label) == 1
    assert "http" not in re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)

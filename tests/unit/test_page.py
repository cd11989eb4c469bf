"""A page: its blocks as Markdown and HTML, and that every text is shown as it is, whatever is in it."""

import html.parser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from matplotlib.figure import Figure

from studies.page import Page, escaped

HOSTILE = [
    "<script>alert(1)</script>", "a|b", "*a* _b_ `c` ~~d~~", "[a](javascript:x) ![b](c.png) [d]: e",
    "back\\slash \\| \\", "&lt;b&gt; &amp; & <", "$x^2$", "ends with #", "two\nlines", "1_000 my_file.csv",
    "<!-- a -->", "![a]", "[+0.1, -0.2]",
]  # fmt: skip


class Texts(html.parser.HTMLParser):
    """The tags of a page, and the text of each table cell, heading and paragraph."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts, self._open = [], [], False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag in ("td", "th", "p", "h1", "h2"):
            self.texts.append("")
            self._open = True

    def handle_endtag(self, tag):
        self._open = self._open and tag not in ("td", "th", "p", "h1", "h2")

    def handle_data(self, text):
        if self._open:
            self.texts[-1] += text


def drawing():
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([0, 1])
    return figure


def leniently(markdown):
    """As a program shows Markdown that lets HTML through and strikes text out."""
    return MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(markdown)


def page_with(text):
    page = Page(text)
    page.heading(text)
    page.text(f"It is {text}")
    page.table(["name", text], [[text, "1"]])
    page.picture("drawing", drawing(), f"It shows {text}")
    return page


def test_blocks_are_written_as_markdown_with_the_pictures_beside_it(tmp_path):
    page = Page("A & B")
    page.text("x < y")
    page.table(["a", "b"], [["|x|", "<1>"]])
    page.code("cp a b && c")
    page.code("echo ```")
    page.picture("drawing", drawing(), "It shows <>.")
    assert page.write(tmp_path / "new") == [tmp_path / "new" / "README.md"]
    assert (tmp_path / "new" / "README.md").read_text() == (
        "# A &amp; B\n\nx &lt; y\n\n| a | b |\n| --- | ---: |\n| \\|x\\| | &lt;1&gt; |\n\n"
        "```\ncp a b && c\n```\n\n````\necho ```\n````\n\n![drawing](drawing.png)\n\nIt shows &lt;&gt;.\n"
    )
    assert (tmp_path / "new" / "drawing.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["README.md", "drawing.png"]


@pytest.mark.parametrize("text", HOSTILE)
def test_names_stay_text_in_markdown_and_in_html(text):
    """operations.md, row 23: a raw <script> in the name of a setting reached the report."""
    page, shown = page_with(text), " ".join(text.split())
    for content in (leniently(page.markdown), page.html()):
        found = Texts(content)
        tags = {tag for tag, _ in found.tags} - {"html", "head", "meta", "title", "style", "body"}
        assert tags == {"h1", "h2", "p", "table", "thead", "tbody", "tr", "th", "td", "img"}
        assert [t for t in found.texts if t] == [
            shown, shown, f"It is {shown}", "name", shown, shown, "1", f"It shows {shown}",
        ]  # fmt: skip
        assert len([tag for tag, _ in found.tags if tag == "img"]) == 1


@given(st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12))
def test_any_name_is_the_text_of_its_cell(name):
    page = Page("T")
    page.table(["name", "x"], [[name, "1"]])
    for content in (leniently(page.markdown), page.html()):
        assert Texts(content).texts == ["T", "name", "x", name, "1"]


def test_figures_stay_legible_in_markdown():
    assert escaped("-0.0081 [-0.0108, +0.0009] NDCG@100 my_file.csv") == (
        "-0.0081 [-0.0108, +0.0009] NDCG@100 my_file.csv"
    )


def test_the_html_page_needs_no_other_file(tmp_path):
    markdown, page = page_with("name").write(tmp_path, with_html=True)
    assert (markdown.name, page.name) == ("README.md", "report.html")
    found = Texts(page.read_text(encoding="utf-8"))
    sources = [attributes["src"] for tag, attributes in found.tags if tag == "img"]
    assert len(sources) == 1
    assert sources[0].startswith("data:image/png;base64,iVBORw0KGgo")
    assert not any("href" in attributes for _, attributes in found.tags)
    assert "http" not in page.read_text(encoding="utf-8")


def test_the_same_results_give_the_same_files(tmp_path):
    for name in ("one", "other"):
        page_with("name").write(tmp_path / name, with_html=True)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()

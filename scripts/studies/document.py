"""A document as a sequence of blocks, written as Markdown with its figures, and as one HTML page."""

import dataclasses
import html
import re
from collections.abc import Sequence
from pathlib import Path

from multvae_tf.run_folder import write_atomically

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid #ddd; padding: .25rem .7rem; text-align: right; }
th:first-child, td:first-child { text-align: left; }
figure { margin: 1.5rem 0; }
figure svg { max-width: 100%; height: auto; }
figcaption { color: #555; }
pre { background: #f5f5f5; padding: .8rem; overflow-x: auto; }
"""


@dataclasses.dataclass(frozen=True)
class Heading:
    """The title of a document or, at level 2, of a section."""

    text: str
    level: int = 2

    def to_markdown(self) -> str:
        """As Markdown."""
        return f"{'#' * self.level} {self.text}"

    def to_html(self) -> str:
        """As HTML."""
        return f"<h{self.level}>{html.escape(self.text)}</h{self.level}>"


@dataclasses.dataclass(frozen=True)
class Paragraph:
    """Plain text."""

    text: str

    def to_markdown(self) -> str:
        """As Markdown."""
        return self.text

    def to_html(self) -> str:
        """As HTML."""
        return f"<p>{html.escape(self.text)}</p>"


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of text under a header."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def to_markdown(self) -> str:
        """As Markdown, names to the left and figures to the right."""
        rule = ["---", *["---:"] * (len(self.header) - 1)]
        rows = [[cell.replace("|", "\\|") for cell in row] for row in (self.header, rule, *self.rows)]
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)

    def to_html(self) -> str:
        """As HTML."""

        def line(cells: Sequence[str], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

        lines = [line(self.header, "th"), *(line(row, "td") for row in self.rows)]
        return "\n".join(["<table>", *lines, "</table>"])


@dataclasses.dataclass(frozen=True)
class Code:
    """Lines to type."""

    text: str

    def to_markdown(self) -> str:
        """As Markdown."""
        return f"```\n{self.text}\n```"

    def to_html(self) -> str:
        """As HTML."""
        return f"<pre>{html.escape(self.text)}</pre>"


@dataclasses.dataclass(frozen=True)
class Figure:
    """A drawing.

    Attributes:
        name: of its file, without the suffix.
        svg: the SVG document.
        caption: what it shows.
    """

    name: str
    svg: str
    caption: str

    def to_markdown(self) -> str:
        """As Markdown; the file lies beside it."""
        return f"![{self.name}]({self.name}.svg)\n\n{self.caption}"

    def to_html(self) -> str:
        """As HTML, with the drawing inside: neither a document type nor namespaces, which name addresses."""
        drawing = re.sub(r' xmlns(:\w+)?="[^"]*"', "", self.svg[self.svg.index("<svg") :])
        return f"<figure>\n{drawing}<figcaption>{html.escape(self.caption)}</figcaption>\n</figure>"


Block = Heading | Paragraph | Table | Code | Figure


def write(blocks: Sequence[Block], folder: Path) -> None:
    """Writes README.md with a file for each figure, and report.html, which needs no other file.

    Args:
        blocks: the document; the first is its title.
        folder: is made if need be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for block in blocks:
        if isinstance(block, Figure):
            _write_text(folder / f"{block.name}.svg", block.svg)
    _write_text(folder / "README.md", "\n\n".join(block.to_markdown() for block in blocks) + "\n")
    title = next(block.text for block in blocks if isinstance(block, Heading))
    head = f'<meta charset="utf-8">\n<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>'
    body = "\n".join(block.to_html() for block in blocks)
    page = f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{body}\n</body>\n</html>\n'
    _write_text(folder / "report.html", page)


def _write_text(path: Path, text: str) -> None:
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))

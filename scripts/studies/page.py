"""A page of Markdown with pictures beside it, and on request the same page as one HTML file."""

import base64
import functools
import html
import importlib.util
import io
import re
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from multvae_tf.errors import RunError
from multvae_tf.files import write_atomically

_DOTS_PER_INCH = 110
# What Markdown would take for markup: an underscore only at the edge of a word, a bracket only in a link.
_MARKUP = re.compile(r"[\\`*|~$#]|(?<![^\W_])_|_(?![^\W_])|\](?=[(\[:])")
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid #ddd; padding: .25rem .7rem; }
img { max-width: 100%; }
pre { background: #f5f5f5; padding: .8rem; overflow-x: auto; }
"""


def escaped(text: str) -> str:
    """Text as one line of Markdown that shows it as it is, whatever characters it has."""
    return _MARKUP.sub(r"\\\g<0>", html.escape(" ".join(text.split()), quote=False))


def require_html() -> None:
    """Raises `RunError` if the library that makes HTML of Markdown is not installed."""
    if importlib.util.find_spec("markdown_it") is None:
        raise RunError("an HTML page needs markdown-it-py: pip install 'multvae-tf[report]'")


class Page:
    r"""A page that is built from top to bottom; every text is shown as it is, none is taken for markup.

    Args:
        title: of the page.

    Example:
        >>> page = Page("Two models")
        >>> page.table(["model", "NDCG@100"], [["Mult-VAE", "0.4"], ["a|b", "0.3"]])
        >>> print(page.markdown)
        # Two models
        <BLANKLINE>
        | model | NDCG@100 |
        | --- | ---: |
        | Mult-VAE | 0.4 |
        | a\|b | 0.3 |
        <BLANKLINE>
    """

    def __init__(self, title: str):
        self.title = title
        self.pictures: dict[str, bytes] = {}
        self._blocks = [f"# {escaped(title)}"]

    @property
    def markdown(self) -> str:
        """The page as Markdown; the pictures are files beside it."""
        return "\n\n".join(self._blocks) + "\n"

    def heading(self, text: str) -> None:
        """Begins a section."""
        self._blocks.append(f"## {escaped(text)}")

    def text(self, text: str) -> None:
        """Adds a paragraph."""
        self._blocks.append(escaped(text))

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Adds a table with names to the left and figures to the right."""
        lines = [map(escaped, header), ["---", *["---:"] * (len(header) - 1)]]
        lines += [map(escaped, row) for row in rows]
        self._blocks.append("\n".join(f"| {' | '.join(line)} |" for line in lines))

    def code(self, text: str) -> None:
        """Adds lines to type."""
        longest = max(map(len, re.findall("`+", text)), default=0)
        fence = "`" * max(3, longest + 1)
        self._blocks.append(f"{fence}\n{text}\n{fence}")

    def picture(self, name: str, figure: Figure, caption: str) -> None:
        """Adds a picture and below it what it shows.

        Args:
            name: of its file, without the suffix: letters, digits and hyphens.
            figure: what is drawn.
            caption: what it shows.
        """
        content = io.BytesIO()
        # Without the drawing program's version, so that the same results give the same file.
        figure.savefig(content, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
        self.pictures[f"{name}.png"] = content.getvalue()
        self._blocks.append(f"![{name}]({name}.png)\n\n{escaped(caption)}")

    def html(self) -> str:
        """The page as HTML that needs no other file: its pictures are inside."""
        from markdown_it import MarkdownIt

        parser = MarkdownIt("commonmark", {"html": False}).enable("table")
        tokens = parser.parse(self.markdown)
        for child in (child for token in tokens for child in token.children or ()):
            if child.type == "image":
                content = base64.b64encode(self.pictures[str(child.attrs["src"])]).decode("ascii")
                child.attrs["src"] = f"data:image/png;base64,{content}"
        body = parser.renderer.render(tokens, parser.options, {})
        title = html.escape(self.title)
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
        )

    def write(self, folder: Path, *, with_html: bool = False) -> list[Path]:
        """Writes README.md and its pictures, and report.html if that is wanted.

        Args:
            folder: is made if need be.
            with_html: whether report.html is wanted, which needs the extra `report`.

        Returns:
            The pages' paths.
        """
        folder.mkdir(parents=True, exist_ok=True)
        pages = {"README.md": self.markdown} | ({"report.html": self.html()} if with_html else {})
        files = self.pictures | {name: text.encode() for name, text in pages.items()}
        for name, content in files.items():
            write_atomically(folder / name, functools.partial(Path.write_bytes, data=content))
        return [folder / name for name in pages]

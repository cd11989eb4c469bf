"""The flags that say how a run is served, its export, and what to type next: shared by the commands."""

import csv
import io
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

import multvae_tf

if TYPE_CHECKING:
    from multvae_tf import Run

FLAGS = flags.FLAGS
flags.disclaim_key_flags()


def define_flags() -> None:
    """Defines --name, --k and --saved_models_dir."""
    flags.DEFINE_string("name", "recommender", "The name under which an export is served.")
    flags.DEFINE_integer("k", 100, "How many items a recommendation of an export holds.", lower_bound=1)
    flags.DEFINE_alias("top_k", "k")
    flags.DEFINE_string("saved_models_dir", "saved_models", "The folder of the served models.")


def export(run: "Run") -> Path:
    """Exports a finished run as the flags say, and prints where it lies and what to type next."""
    folder = multvae_tf.export(run, Path(FLAGS.saved_models_dir, FLAGS.name), k=FLAGS.k)
    megabytes = sum(path.stat().st_size for path in folder.rglob("*")) / 1e6
    print(f"Exported {run.folder} to {folder} ({megabytes:.1f} MB). Next:")
    print(f"  {recommend_command(f'--saved_model={folder}', run.items.ids[:3])}")
    return folder


def recommend_command(where: str, item_ids: Sequence[str]) -> str:
    """A command that asks for recommendations, as it can be pasted into a shell.

    Args:
        where: the flag that says whom to ask.
        item_ids: of the history.
    """
    return shlex.join(["python", "scripts/recommend.py", where, f"--history={as_history(item_ids)}"])


def as_history(item_ids: Iterable[str]) -> str:
    """Ids as --history takes them: with commas between them, quoted where an id needs it."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(item_ids)
    return line.getvalue()

"""The checkpoints of a run: two are kept, and the older one serves where the newer is damaged."""

import os
import re
import warnings
from pathlib import Path

import tensorflow as tf

from multvae_tf.errors import RunError
from multvae_tf.files import sync
from multvae_tf.run import Run

_KEPT = 2


class Checkpoints:
    """What is needed to go on after the last epoch that was finished.

    Args:
        run: whose folder holds them.
        **parts: what is saved, by name: a model, and how far it has come.
    """

    def __init__(self, run: Run, **parts: tf.Module):
        self._run = run
        self._folder = run.checkpoints_path
        self._checkpoint = tf.train.Checkpoint(**parts)
        self._manager = tf.train.CheckpointManager(self._checkpoint, self._folder, max_to_keep=_KEPT)

    def restore(self) -> None:
        """Restores the newest checkpoint that is whole, if there is one.

        TensorFlow's own list of them, the file `checkpoint`, is not trusted: a run must not begin
        anew, without a word, because that file was lost.

        Raises:
            RunError: the run has begun, and there is no checkpoint, or none that fits.
        """
        for left_over in self._folder.glob("*_temp*"):
            _remove(left_over)
        newest_first = sorted(self._paths(), key=_number, reverse=True)
        if not newest_first and self._run.has_begun:
            raise RunError(
                f"{self._folder} holds no checkpoint, but {self._run.folder} has begun: train it anew"
            )
        reason = ""
        for path in newest_first:
            try:
                self._checkpoint.restore(str(path)).assert_consumed()
            except (AssertionError, ValueError, tf.errors.OpError) as error:
                reason = (
                    reason or f"{path} does not fit this model, or is damaged: {str(error).splitlines()[0]}"
                )
                continue
            if reason:
                warnings.warn(f"{reason}; the run goes on from {path}", stacklevel=2)
            return
        if reason:
            raise RunError(f"{reason}; train the run anew")

    def save(self, epoch: int) -> None:
        """Saves the state at the end of an epoch; it is on the disk when this returns.

        Raises:
            OSError: it cannot be written.
        """
        try:
            path = Path(self._manager.save())
        except tf.errors.OpError as error:
            where = f"the checkpoint of epoch {epoch} in {self._folder}"
            raise OSError(f"{where} cannot be written: {error.message}") from None
        for file in (*self._folder.glob(f"{path.name}.*"), self._folder):
            sync(file)

    def _paths(self) -> list[Path]:
        found = self._folder.glob("ckpt-*.index")
        return [path.with_suffix("") for path in found if re.fullmatch(r"ckpt-\d+\.index", path.name)]


def _number(path: Path) -> int:
    return int(path.name.partition("-")[2])


def _remove(path: Path) -> None:
    if path.is_dir():
        for inner in path.iterdir():
            inner.unlink()
        os.rmdir(path)
    else:
        path.unlink()

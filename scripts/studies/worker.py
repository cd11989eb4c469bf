"""Trains one run of a study in a process of its own: python -m studies.worker <folder of the run>."""

from pathlib import Path

from cli import command_line

from multvae_tf.errors import RunError
from studies.job import Job


def main(argv: list[str]) -> None:
    """Reads the job in the folder that is named, and trains it."""
    if len(argv) != 2:
        raise RunError("name one folder of a run")
    folder = Path(argv[1])
    job = Job.read(folder)
    from studies import trainer  # Imports TensorFlow.

    trainer.train_run(job, folder)


if __name__ == "__main__":
    command_line.run(main, RunError, takes_arguments=True)

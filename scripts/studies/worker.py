"""Trains one run of a study in a process of its own: python -m studies.worker <job as JSON>."""

from cli import command_line, stored_runs
from studies.job import Job


def main(argv: list[str]) -> None:
    """Trains what the job says; a run that is continued has the number of threads with which it began."""
    job = Job.from_json(argv[1])
    command_line.import_tensorflow(stored_runs.environment_of(job.folder))
    from studies import trainer

    trainer.train_run(job)


if __name__ == "__main__":
    command_line.run(main, takes_arguments=True)

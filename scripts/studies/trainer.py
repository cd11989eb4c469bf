"""How a setting of a study becomes a model that is trained and tested: the only place that knows."""

import os
import platform
import resource
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cli import settings, tensorflow_setup  # noqa: F401  (before anything that imports TensorFlow)

from data_prep import store
from data_prep.catalogue import resolve
from data_prep.store import PreparedDataset
from multvae_tf import report
from multvae_tf.beta_search import find_anneal_cap
from multvae_tf.config import Config
from multvae_tf.evaluation import evaluate, rank_held_out
from multvae_tf.run_folder import RunFolder
from multvae_tf.training import train
from studies.job import Job

_PACKAGES = ("multvae-tf", "tensorflow", "keras", "numpy", "scipy")


def train_run(job: Job, folder: Path) -> None:
    """Trains and tests what the job says; goes on where the run in the folder was stopped, if it was begun.

    Args:
        job: what is trained on what.
        folder: of the run.

    Raises:
        RunError: a setting is out of range, or the loss is not finite.
        DataError: the data is missing or bad.
        OSError: the folder cannot be written.
    """
    data = dict(job.data)
    spec = resolve(data.pop("dataset", "demo"), path=data.pop("raw_path", None), **data)
    dataset = store.prepare(spec, job.data_dir)
    print(f"{job.model} on {dataset.name}: {dataset.train.shape[0]:,} training users, {job.threads} threads")
    _train(job, dataset, RunFolder(folder))


def _train(job: Job, dataset: PreparedDataset, run: RunFolder) -> None:
    config = settings.resolve(job.model, dataset.name, job.overrides).training
    config = config.resolve(dataset.train.shape[0])
    if not run.settings_path.exists():
        run.create(_described(job, config, dataset), dataset.item_ids, dataset.item_titles)
    config = type(config).from_json(run.read_settings()["config"])
    validation = (dataset.validation.fold_in, dataset.validation.held_out)
    if getattr(config, "anneal_cap", 0) is None:
        config = find_anneal_cap(config, dataset.train, validation, run)
        run.write_json(run.settings_path, run.read_settings() | {"config": config.to_json()})
    model = config.build_model(dataset.num_items)
    result = train(model, dataset.train, validation, config, run)
    test = rank_held_out(model, dataset.test.fold_in, dataset.test.held_out, config.batch_size)
    test.save(run.test_users_path)
    estimates = {"test": test.estimates(), "validation": evaluate(model, *validation, config.batch_size)}
    content = {
        "model": job.model,
        "dataset": dataset.name,
        "seed": config.seed,
        "best_epoch": result.best_epoch,
        "epochs": result.epochs,
        **{part: report.estimates_to_json(values) for part, values in estimates.items()},
        "seconds": result.seconds,
        "users_per_second": result.users_per_second,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "hardware": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
    }
    run.write_json(run.metrics_path, content)
    report.write_curves(run)
    report.write_card(run)


def _described(job: Job, config: Config, dataset: PreparedDataset) -> dict[str, Any]:
    return {
        "model": job.model,
        "config": config.to_json(),
        "dataset": {
            "name": dataset.name,
            "protocol": dataset.spec.protocol,
            "fingerprint": dataset.fingerprint,
            "folder": str(Path(dataset.folder).resolve()),
            "num_train_users": dataset.train.shape[0],
            "num_items": dataset.num_items,
        },
        "versions": {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES},
        "command": job.command,
    }

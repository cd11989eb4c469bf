"""How a setting of a study becomes a model that is trained and tested: the only place that knows."""

from pathlib import Path

import data_prep
import multvae_tf
from data_prep.catalogue import resolve
from data_prep.dataset import spec_to_json
from multvae_tf.run import DataInfo, Run
from multvae_tf.serving.items import Items
from studies.job import Job
from studies.named_settings import resolved


def train_run(job: Job) -> Run:
    """Trains and tests what the job says; goes on where the run in the folder was stopped, if it was begun.

    Args:
        job: what is trained on what.

    Returns:
        The finished run.

    Raises:
        RunError: a setting is out of range, or the loss is not finite.
        DataError: the data is missing or bad.
        OSError: the folder cannot be written.
    """
    data = dict(job.data)
    spec = resolve(data.pop("dataset", "demo"), path=data.pop("raw_path", None), **data)
    dataset = data_prep.prepare(spec, job.data_dir)
    chosen = resolved(job.model, dataset.name, job.overrides)
    print(f"{job.model} on {dataset.name}: {dataset.train.shape[0]:,} training users", flush=True)
    return multvae_tf.train(
        chosen.new_model(dataset.num_items),
        dataset.train,
        (dataset.validation.fold_in, dataset.validation.held_out),
        test_data=(dataset.test.fold_in, dataset.test.held_out),
        folder=job.folder,
        config=chosen.training(),
        items=Items.of(list(dataset.item_ids), dataset.item_titles, dataset.train.getnnz(axis=0)),
        data=DataInfo(
            name=dataset.name,
            protocol=spec.protocol,
            fingerprint=dataset.fingerprint,
            folder=str(Path(dataset.folder).resolve()),
            settings={"flags": job.data, "spec": spec_to_json(spec)},
            published_as=dataset.published_name or "",
        ),
        resume=True,
        command=job.command,
    )

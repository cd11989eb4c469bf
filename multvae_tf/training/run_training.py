"""Training into a run folder: the best weights on validation, exact resume, the test, and a report."""

import dataclasses
import datetime
import json
import os
import platform
import resource
import sys
import time
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import keras
import scipy.sparse
import tensorflow as tf

from multvae_tf import report
from multvae_tf.batches import steps_per_epoch
from multvae_tf.errors import SettingError
from multvae_tf.evaluation import rank_by_popularity
from multvae_tf.files import only_writer, sha256, write_atomically, write_json
from multvae_tf.recommender_model import Matrix, RecommenderModel, checked_csr, checked_held_out
from multvae_tf.run import DataInfo, Run, RunMetrics, RunSettings, TrainingConfig, check_path
from multvae_tf.schedules import LinearAnnealing
from multvae_tf.serving.items import Items
from multvae_tf.trainable_model import TrainableModel
from multvae_tf.training.checkpoints import Checkpoints
from multvae_tf.training.recording import NonFiniteLossGuard, Progress, Recorder

_PACKAGES = ("multvae-tf", "tensorflow", "keras", "numpy", "scipy")


class HeldOut(NamedTuple):
    """Users of whom a part of the items is held out: scipy sparse [num_users, num_items] both."""

    fold_in: scipy.sparse.csr_matrix
    held_out: scipy.sparse.csr_matrix


def train(
    model: RecommenderModel,
    x: Matrix,
    validation_data: tuple[Matrix, Matrix],
    *,
    folder: str | os.PathLike[str],
    config: TrainingConfig | None = None,
    test_data: tuple[Matrix, Matrix] | None = None,
    items: Items | None = None,
    data: DataInfo | None = None,
    resume: bool = False,
    command: str = "",
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Run:
    """Trains a model into a run folder, and leaves it with the weights of its best validation epoch.

    An epoch counts from the moment its checkpoint is complete. On one CPU a run that was killed at any time
    and resumed ends with the same weights, bit for bit, as one that was not.

    Args:
        model: with its initial weights.
        x: scipy sparse [num_users, num_items], a 1 for each interaction of the training users.
        validation_data: fold-in and held-out, scipy sparse [num_validation_users, num_items] each; their
            NDCG@100 chooses the best epoch.
        folder: of the run; it is created.
        config: how long and how to train; None means `TrainingConfig()`.
        test_data: likewise of the test users, on whom the result is told once; None means that there are
            none.
        items: the catalogue; None means that the ids are the column numbers.
        data: where the matrices come from, for the record.
        resume: go on with the run in the folder, if there is one, which must have the same settings.
        command: that a person typed, for the record.
        callbacks: further Keras callbacks.

    Returns:
        The finished run.

    Raises:
        SettingError: the data does not fit the model, or the model has been trained already.
        RunError: the folder holds another run, the loss is not finite, or the checkpoint does not fit.
        OSError: the folder cannot be written.

    Examples:
        >>> from multvae_tf import MultVAE, TrainingConfig, train
        >>> config = TrainingConfig(epochs=50)
        >>> run = train(MultVAE(1000), x, (a, b), folder="runs/mine", config=config)  # doctest: +SKIP
    """
    config = TrainingConfig() if config is None else config
    x = checked_csr(x, "x", model.num_items)
    validation = HeldOut(*checked_held_out(*validation_data, model.num_items))
    test = HeldOut(*checked_held_out(*test_data, model.num_items)) if test_data is not None else None
    for name, users in (("validation_data", validation), ("test_data", test)):
        if users is not None and not users.held_out.nnz:
            raise SettingError(name, f"has no held-out item of any of its {users.held_out.shape[0]} users")
    if isinstance(model, TrainableModel):
        config = _prepare(model, x, config)
    settings = RunSettings(
        model=described(model),
        training=config,
        data=data or DataInfo(),
        num_train_users=x.shape[0],
        versions={"python": platform.python_version()} | {name: version(name) for name in _PACKAGES},
        environment=environment(),
        command=command,
        started=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds"),
    )
    if items is None:
        ids = [str(number) for number in range(model.num_items)]
        items = Items.of(ids, None, x.getnnz(axis=0))
    check_path(folder)
    with only_writer(Path(folder)):
        run = _open_or_create(folder, settings, items, resume)
        if isinstance(getattr(model, "beta", None), LinearAnnealing) and model.beta.anneal_cap is None:
            _find_anneal_cap(run, model, x, validation, items, callbacks)
        fit = _fit if isinstance(model, TrainableModel) else _solve
        progress = fit(run, model, x, validation, config, callbacks)
        _finish(run, model, x, validation, test, progress)
    return run


def _prepare(model: TrainableModel, x: scipy.sparse.csr_matrix, config: TrainingConfig) -> TrainingConfig:
    """Fills in what the model and the settings leave open until the data is known."""
    if model.compiled and int(model.step):
        raise SettingError("model", f"has made {int(model.step)} updates; a run starts from initial weights")
    model.prepare_training(x.shape[0], model.num_updates(x.shape[0], config.batch_size, config.epochs))
    if config.learning_rate is None:
        return dataclasses.replace(config, learning_rate=model.default_learning_rate)
    return config


def environment() -> dict[str, str]:
    """What the last bits of a result depend on, beside the versions of the packages."""
    # TensorFlow does not tell what it takes from this variable.
    told = int(os.environ.get("TF_NUM_INTRAOP_THREADS") or 0)
    threads = tf.config.threading.get_intra_op_parallelism_threads() or told or len(os.sched_getaffinity(0))
    return {"threads": str(threads), "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default")}


def described(model: keras.Model) -> dict[str, Any]:
    """The model as its class and its constructor's arguments, as JSON values, without the names of layers."""
    content = keras.saving.serialize_keras_object(model)
    kept = {name: content[name] for name in ("module", "class_name", "config", "registered_name")}
    return json.loads(json.dumps(_without_names(kept)))


def _without_names(content: Any) -> Any:
    """Keras numbers the names of layers by what else the process has made; only layers are `trainable`."""
    if not isinstance(content, dict):
        return content
    dropped = {"name"} if "trainable" in content else set()
    return {key: _without_names(value) for key, value in content.items() if key not in dropped}


def _open_or_create(folder: str | os.PathLike[str], settings: RunSettings, items: Items, resume: bool) -> Run:
    if not (resume and Run(folder).settings_path.exists()):
        return Run.create(folder, settings, items)
    run = Run.open(folder)
    run.require(settings)
    for name, value in run.settings.environment.items():
        if settings.environment.get(name) != value:
            found = settings.environment.get(name)
            warnings.warn(
                f"the run began with {name} {value}, and goes on with {found}: its last bits will differ",
                stacklevel=3,
            )
    return run


def _find_anneal_cap(
    run: Run,
    model: Any,
    x: scipy.sparse.csr_matrix,
    validation: HeldOut,
    items: Items,
    callbacks: Sequence[keras.callbacks.Callback],
) -> None:
    """Gives the model's schedule the beta at which a run annealed to 1 has its best validation NDCG@100.

    Liang et al. 2018, section 2.2.2. That run lies in `beta_search` in the folder of this one, and is
    continued if it was begun before.
    """
    config = run.settings.training
    searching = type(model).from_config(model.get_config())
    searching.beta = model.beta.with_cap(1.0)
    print("First a run that is annealed to beta = 1, to find the largest beta.")
    settings = dataclasses.replace(run.settings, model=described(searching))
    search = _open_or_create(run.folder / "beta_search", settings, items, resume=True)
    best_epoch = int(_fit(search, searching, x, validation, config, callbacks).best_epoch)
    last_update = model.num_updates(x.shape[0], config.batch_size, best_epoch) - 1
    cap = float(searching.beta(tf.constant(last_update, tf.int64), tf.zeros([1])))
    print(f"Its best epoch, {best_epoch}, had beta = {cap:.4f}: the largest beta of the run that follows.")
    model.beta = model.beta.with_cap(cap)
    run.rewrite_settings(dataclasses.replace(run.settings, model=described(model)))


def _fit(
    run: Run,
    model: TrainableModel,
    x: scipy.sparse.csr_matrix,
    validation: HeldOut,
    config: TrainingConfig,
    callbacks: Sequence[keras.callbacks.Callback],
) -> Progress:
    """Trains, from the run's checkpoint if there is one, and leaves the model with its best weights."""
    model.compile(config.new_optimizer(model.default_learning_rate))
    progress = Progress()
    checkpoints = Checkpoints(run, model=model, progress=progress)
    checkpoints.restore()
    first_epoch = int(progress.epochs_done)
    if first_epoch < config.epochs and not progress.has_stalled(config.patience):
        model.fit(
            x,
            batch_size=config.batch_size,
            validation_data=validation,
            initial_epoch=first_epoch,
            epochs=config.epochs,
            verbose=1 if sys.stdout.isatty() else 2,
            callbacks=[
                NonFiniteLossGuard(run, steps_per_epoch(x.shape[0], config.batch_size)),
                keras.callbacks.TensorBoard(str(run.tensorboard_path), write_graph=False),
                *callbacks,
                Recorder(run, checkpoints, progress, config.patience),
            ],
        )
    model.load_weights(run.weights_path)
    return progress


def _solve(
    run: Run,
    model: RecommenderModel,
    x: scipy.sparse.csr_matrix,
    validation: HeldOut,
    config: TrainingConfig,
    callbacks: Sequence[keras.callbacks.Callback],
) -> Progress:
    """Fits a model that is not trained batch by batch, unless the run has its weights already: one epoch."""
    progress = Progress()
    progress.epochs_done.assign(1)
    progress.best_epoch.assign(1)
    if run.weights_path.exists():
        model.prepare_loading()
        model.load_weights(run.weights_path)
    else:
        started = time.perf_counter()
        history = model.fit(
            x, batch_size=config.batch_size, validation_data=validation, callbacks=callbacks
        ).history
        progress.seconds.assign(time.perf_counter() - started)
        run.write_history([{"epoch": 1, **{name: float(values[-1]) for name, values in history.items()}}])
        if described(model) != run.settings.model:
            run.rewrite_settings(dataclasses.replace(run.settings, model=described(model)))
        write_atomically(run.weights_path, model.save_weights)
    return progress


def _finish(
    run: Run,
    model: RecommenderModel,
    x: scipy.sparse.csr_matrix,
    validation: HeldOut,
    test: HeldOut | None,
    progress: Progress,
) -> None:
    """Tests the model, and writes what a finished run has."""
    batch_size, epochs = run.settings.training.batch_size, int(progress.epochs_done)
    test_ranking = model.rank_users(*test, batch_size) if test else None
    if test_ranking:
        test_ranking.save(run.test_users_path)
    seconds = float(progress.seconds)
    passes = model.passes_per_epoch if isinstance(model, TrainableModel) else 1
    metrics = RunMetrics(
        best_epoch=int(progress.best_epoch),
        epochs=epochs,
        validation=model.evaluate(*validation, batch_size=batch_size),
        test=test_ranking.estimates() if test_ranking else None,
        popularity=rank_by_popularity(x, *(test or validation)).estimates(),
        seconds=seconds,
        users_per_second=epochs * x.shape[0] * passes / seconds if seconds else 0.0,
        peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        hardware=f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        sha256={path.name: sha256(path) for path in (run.weights_path, run.items_path)},
    )
    write_json(run.metrics_path, metrics)
    report.write_curves(run)
    report.write_card(run)

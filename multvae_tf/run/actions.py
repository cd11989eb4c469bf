"""What one does with a run, or with a model, in one call: evaluate it, export it."""

import dataclasses
import os
from pathlib import Path

from multvae_tf.evaluation import Estimate
from multvae_tf.recommender_model import Matrix, RecommenderModel
from multvae_tf.run.run_folder import Run
from multvae_tf.serving.export import export_model


def export(
    run: Run | str | os.PathLike[str],
    folder: str | os.PathLike[str] = "saved_models/recommender",
    *,
    k: int = 100,
) -> Path:
    """Exports a finished run as the next version of a model that TensorFlow Serving loads.

    Args:
        run: the run, or its folder.
        folder: of the served model; its last part is the name under which it is served.
        k: how many items a recommendation holds.

    Returns:
        The version's folder, `folder/<version>`.

    Raises:
        RunError: the run has not finished, or the folder cannot be written.

    Examples:
        >>> import multvae_tf
        >>> multvae_tf.export("runs/demo/multvae/first", "saved_models/films")  # doctest: +SKIP
        PosixPath('saved_models/films/1')
    """
    run = run if isinstance(run, Run) else Run.open(run)
    settings, metrics = run.settings, run.metrics
    about = {
        "model": settings.model["class_name"],
        "config": settings.model["config"],
        "training": dataclasses.asdict(settings.training),
        "data": {name: v for name, v in dataclasses.asdict(settings.data).items() if name != "folder"},
        "metrics": {part: dataclasses.asdict(metrics)[part] for part in ("validation", "test")},
        "run": run.folder.name,
        "trained_with": settings.versions,
    }
    return export_model(run.model(), run.items, folder, top_k=k, about=about)


def evaluate(model: RecommenderModel | Run, fold_in: Matrix, held_out: Matrix) -> dict[str, Estimate]:
    """How well a model, or the model of a run, ranks the held-out items of users of whom it sees the fold-in.

    See `RecommenderModel.evaluate`.

    Examples:
        >>> import multvae_tf
        >>> run = multvae_tf.Run.open("runs/demo/multvae/first")  # doctest: +SKIP
        >>> multvae_tf.evaluate(run, fold_in, held_out)["NDCG@100"]  # doctest: +SKIP
        Estimate(mean=0.3787, standard_error=0.0115)
    """
    return (model.model() if isinstance(model, Run) else model).evaluate(fold_in, held_out)

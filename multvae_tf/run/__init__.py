"""A run: its folder, which opens itself, and the records in it."""

from multvae_tf.run.actions import evaluate, export
from multvae_tf.run.records import DataInfo, RunMetrics, RunSettings, TrainingConfig
from multvae_tf.run.run_folder import Run, check_path

__all__ = [
    "DataInfo",
    "Run",
    "RunMetrics",
    "RunSettings",
    "TrainingConfig",
    "check_path",
    "evaluate",
    "export",
]

"""Exports a run as a version that TensorFlow Serving loads: raw item ids in, raw item ids out.

python scripts/export.py                                     the run that was started last
python scripts/export.py --run=runs/ml20m/multvae/... --name=recommender --k=200
"""

from cli import command_line, served_models, stored_runs

with command_line.flag_group("run"):
    stored_runs.define_run_flag()
    served_models.define_flags()


def main(_: list[str]) -> None:
    """Exports, then says where and what to type next."""
    command_line.import_tensorflow()
    served_models.export(stored_runs.chosen_run())


if __name__ == "__main__":
    command_line.run(main)

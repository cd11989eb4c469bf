"""Trains the settings of a study under several seeds, as far as that is not done, and writes its report.

python scripts/reproduce.py ucsd --dataset=ml1m --seeds=3    Mult-VAE's layers, schedules and optimizers
python scripts/reproduce.py multvae --dataset=ml1m           Mult-VAE and Mult-DAE, likelihoods
python scripts/reproduce.py recvae --dataset=ml1m [--full]   RecVAE's five parts, priors, passes
python scripts/reproduce.py published --dataset=ml20m,msd    beside the published results, and the ranks
python scripts/reproduce.py my_study.json                    a study of your own
python scripts/reproduce.py schedules                        draws how beta grows

Stopped at any time, the same command goes on where it was.
"""

import shlex
import sys
from pathlib import Path
from typing import Any

from absl import flags
from cli import command_line, dataset_flags

from multvae_tf.errors import RunError

FLAGS = flags.FLAGS
dataset_flags.define()
FLAGS["dataset"].help += " Several, separated by commas, are compared by their ranks too."
flags.DEFINE_integer("seeds", 5, "Runs of each setting, with the seeds 1, 2, ...", lower_bound=1)
flags.DEFINE_integer("epochs", None, "Of every run. Default: as scripts/train.py.", lower_bound=1)
flags.DEFINE_integer("batch_size", None, "Of every run. Default: as scripts/train.py.", lower_bound=1)
flags.DEFINE_integer("parallel", 1, "Runs at a time; they share the cores.", lower_bound=1)
flags.DEFINE_bool("full", False, "Also every other combination of the study's switches.")
flags.DEFINE_bool("html", False, "Also write the report as one HTML page that needs no other file.")
flags.DEFINE_string("report_dir", None, "The report's folder. Default: reports/<study>-<dataset>[-temporal].")

SCRIPTS = Path(__file__).parent


def main(argv: list[str]) -> None:
    """Load, train, compare, report."""
    if len(argv) != 2:
        raise RunError("name one study, such as ucsd, or schedules")
    from cli import tensorflow_setup  # noqa: F401  (before anything that imports TensorFlow)
    from studies import page, study_file

    if FLAGS.html:
        page.require_html()
    if argv[1] == "schedules":
        from studies import schedule_page

        pages = schedule_page.write(Path(FLAGS.report_dir or "reports/schedules"), with_html=FLAGS.html)
    else:
        pages = reproduce(study_file.find(argv[1], SCRIPTS / "studies"))
    print(f"The report is {', and as one page '.join(map(str, pages))}.")


def reproduce(path: Path) -> list[Path]:
    """Trains what the study in the file needs, and writes its reports; returns the pages of the last one."""
    from studies import study_report, systems_report
    from studies.results import StudyResults
    from studies.runner import StudyRunner

    names = datasets()
    if len(names) > 1 and FLAGS["raw_path"].present:
        raise RunError(f"--raw_path is {FLAGS.raw_path}, but --dataset names {len(names)} datasets")
    prepared = [prepare(path, name) for name in names]
    if len({data.label for _, _, data in prepared}) < len(names):
        raise RunError(f"--dataset is {','.join(names)}: two of these have one name")
    StudyRunner([run for _, runs, _ in prepared for run in runs], FLAGS.data_dir, FLAGS.parallel).run()
    command = shlex.join(["python", "scripts/reproduce.py", *sys.argv[1:]])
    found = {data.label: StudyResults.read(one, runs, data) for one, runs, data in prepared}
    root = Path(FLAGS.report_dir or "reports")
    for label, results in found.items():
        folder = root if FLAGS.report_dir and len(found) == 1 else root / f"{path.stem}-{label}"
        pages = study_report.write(results, command, folder, with_html=FLAGS.html)
    if len(found) > 1:
        folder = root if FLAGS.report_dir else root / f"{path.stem}-{'-'.join(found)}"
        pages = systems_report.write(found, command, folder, with_html=FLAGS.html)
    return pages


def datasets() -> list[str]:
    """The datasets that --dataset names; a file whose name has a comma is one."""
    return [FLAGS.dataset] if Path(FLAGS.dataset).exists() else FLAGS.dataset.split(",")


def prepare(path: Path, dataset_name: str) -> tuple[Any, list[Any], Any]:
    """The study in the file for a dataset, its runs, and the data as far as the report looks at it."""
    from cli import settings
    from studies import study, study_file
    from studies.results import StudyData

    from data_prep import store

    FLAGS["dataset"].value = dataset_name
    data, spec = dataset_flags.given(), dataset_flags.spec_from_flags()
    one = study_file.load(path, spec.name, settings.names(), full=FLAGS.full)
    dataset = store.prepare(spec, FLAGS.data_dir)
    common = {name: FLAGS[name].value for name in ("epochs", "batch_size") if FLAGS[name].present}
    runs = study.runs(one, range(1, FLAGS.seeds + 1), data, common, Path("runs", dataset.name))
    test = dataset.test
    return (
        one,
        runs,
        StudyData(
            dataset.name, spec.protocol, dataset.fingerprint, dataset.train, test.fold_in, test.held_out
        ),
    )


if __name__ == "__main__":
    command_line.run(main, RunError, takes_arguments=True)

"""Trains the settings of a study under several seeds, as far as that is not done, and writes its report.

python scripts/reproduce.py ucsd --dataset=ml1m --seeds=3    Mult-VAE's layers, schedules and optimizers
python scripts/reproduce.py multvae --dataset=ml1m           Mult-VAE and Mult-DAE, likelihoods
python scripts/reproduce.py recvae --dataset=ml1m [--full]   RecVAE's five parts, priors, passes
python scripts/reproduce.py published --dataset=ml20m        beside the published results
python scripts/reproduce.py systems --datasets=ml1m,msd      every model on several datasets, and their ranks
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
with command_line.flag_group("data"):
    dataset_flags.define()
    flags.DEFINE_list(
        "datasets", None, "Several datasets with commas between them, instead of --dataset; see `systems`."
    )
with command_line.flag_group("study"):
    flags.DEFINE_integer("seeds", 5, "How many runs a setting has, with the seeds 1, 2, ...", lower_bound=1)
    flags.DEFINE_integer("epochs", None, "The epochs of every run. Default: the paper's.", lower_bound=1)
    flags.DEFINE_integer(
        "batch_size", None, "The users in an update of every run. Default: the paper's.", lower_bound=1
    )
    flags.DEFINE_multi_string("only", None, "A setting that is run, instead of all; may be repeated.")
    flags.DEFINE_bool("full", False, "Whether every other combination of the study's switches is run too.")
    flags.DEFINE_integer("parallel", 1, "How many runs go on at a time; they share the cores.", lower_bound=1)
with command_line.flag_group("report"):
    flags.DEFINE_string(
        "report_dir", None, "The folder of the report. Default: reports/<study>-<dataset>[-temporal]."
    )
    flags.DEFINE_bool("html", False, "Whether the report is also written as one HTML page.")

SCRIPTS = Path(__file__).parent


def main(argv: list[str]) -> None:
    """Load, train, compare, report."""
    if len(argv) != 2:
        raise RunError("name one study, such as ucsd, or schedules")
    command_line.import_tensorflow()
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

    names = FLAGS.datasets or [FLAGS.dataset]
    if len(names) > 1 and FLAGS["raw_path"].present:
        raise RunError(f"--raw_path is {FLAGS.raw_path}, which is of one dataset; leave --datasets out")
    prepared = [prepare(path, name) for name in names]
    if len({data.label for _, _, data in prepared}) < len(names):
        raise RunError(f"--datasets is {','.join(names)}; it must not name a dataset twice")
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


def prepare(path: Path, dataset_name: str) -> tuple[Any, list[Any], Any]:
    """The study in the file for a dataset, its runs, and the data as far as the report looks at it."""
    import data_prep
    from studies import named_settings, study, study_file
    from studies.results import StudyData

    FLAGS["dataset"].value = dataset_name
    spec = dataset_flags.spec_from_flags()
    data = dataset_flags.given() | ({"dataset": dataset_name} if FLAGS.datasets else {})
    one = study_file.load(path, spec.name, named_settings.MODELS, named_settings.resolved, full=FLAGS.full)
    one = one.only(FLAGS.only) if FLAGS.only else one
    dataset = data_prep.prepare(spec, FLAGS.data_dir)
    common = {name: FLAGS[name].value for name in ("epochs", "batch_size") if FLAGS[name].present}
    root, seeds = Path("runs", dataset.name), range(1, FLAGS.seeds + 1)
    runs = study.plan(one, seeds, data, common, root, named_settings.names_read)
    test = dataset.test
    return (
        one,
        runs,
        StudyData(
            dataset.name, spec.protocol, dataset.fingerprint, dataset.train, test.fold_in, test.held_out
        ),
    )


if __name__ == "__main__":
    command_line.run(main, takes_arguments=True)

"""Trains the settings of a study under several seeds, as far as that is not done, and writes its report.

python scripts/reproduce.py ucsd --dataset=ml1m --seeds=3    Mult-VAE's layers, schedules and optimizers
python scripts/reproduce.py multvae --dataset=ml1m           Mult-VAE and Mult-DAE, likelihoods
python scripts/reproduce.py recvae --dataset=ml1m [--full]   RecVAE's five parts, priors, passes
python scripts/reproduce.py published --dataset=ml20m        beside the published results
python scripts/reproduce.py my_study.json                    a study of your own
python scripts/reproduce.py schedules                        draws how beta grows

Stopped at any time, the same command goes on where it was.
"""

import shlex
import sys
from pathlib import Path

from absl import flags

import data_prep
from cli import command_line, dataset_flags, models
from multvae_tf.errors import RunError
from multvae_tf.schedules import ConstantBeta, CyclicalAnnealing, LinearAnnealing, PerUserBeta
from studies import document, figures, study, study_file, study_report
from studies.document import Figure, Heading
from studies.results import StudyData, StudyResults
from studies.runner import StudyRunner

FLAGS = flags.FLAGS
dataset_flags.define()
flags.DEFINE_integer("seeds", 5, "Runs of each setting, with the seeds 1, 2, ...", lower_bound=1)
flags.DEFINE_integer("epochs", None, "Of every run. Default: as scripts/train.py.", lower_bound=1)
flags.DEFINE_integer("batch_size", None, "Of every run. Default: as scripts/train.py.", lower_bound=1)
flags.DEFINE_integer("parallel", 1, "Runs at a time; they share the cores.", lower_bound=1)
flags.DEFINE_bool("full", False, "Also every other combination of the study's switches.")
flags.DEFINE_string("report_dir", None, "The report's folder. Default: reports/<study>-<dataset>[-temporal].")

SCRIPTS = Path(__file__).parent
ML20M_UPDATES = 200 * 234
SCHEDULES = {
    "linear to 0.2": LinearAnnealing(total_anneal_steps=200_000, anneal_cap=0.2),
    "constant": ConstantBeta(0.2),
    "cyclical, cap 1": CyclicalAnnealing(ML20M_UPDATES),
    "cyclical, ramp to 0.2": CyclicalAnnealing(ML20M_UPDATES, anneal_cap=0.2),
    "cyclical, clipped at 0.2": CyclicalAnnealing(ML20M_UPDATES, anneal_cap=0.2, cyclical_cap="clip"),
    "per user, gamma .005": PerUserBeta(0.005),
}


def main(argv: list[str]) -> None:
    """Load, train, compare, report."""
    if len(argv) != 2:
        raise RunError("name one study, such as ucsd, or schedules")
    if argv[1] == "schedules":
        draw_schedules()
        return
    path = study_file.find(argv[1], SCRIPTS / "studies")
    spec = dataset_flags.spec_from_flags()
    the_study = study_file.load(path, spec.name, models.flag_names(), full=FLAGS.full)
    dataset = data_prep.prepare(spec, FLAGS.data_dir)
    common = dataset_flags.given() | {n: FLAGS[n].value for n in ("epochs", "batch_size") if FLAGS[n].present}
    runs = study.runs(the_study, range(1, FLAGS.seeds + 1), common, Path("runs", dataset.name))
    train = [sys.executable, str(SCRIPTS / "train.py")]
    StudyRunner(runs, train, [f"--data_dir={FLAGS.data_dir}"], FLAGS.parallel).run()
    test = dataset.test
    data = StudyData(
        dataset.name, spec.protocol, dataset.fingerprint, dataset.train, test.fold_in, test.held_out
    )
    suffix = "" if spec.protocol == "strong" else f"-{spec.protocol}"
    folder = Path(FLAGS.report_dir or f"reports/{the_study.name}-{dataset.name}{suffix}")
    command = shlex.join(["python", "scripts/reproduce.py", *sys.argv[1:]])
    study_report.write(StudyResults(the_study, runs, data), command, folder)
    print(f"The report is {folder / 'README.md'}, and as one page {folder / 'report.html'}.")


def draw_schedules() -> None:
    """Writes a page with the schedules of beta over the updates of Mult-VAE on ML-20M."""
    folder = Path(FLAGS.report_dir or "reports/schedules")
    svg = figures.schedules(SCHEDULES, ML20M_UPDATES)
    caption = "Beta by update, over the updates of 200 epochs of ML-20M."
    document.write([Heading("Schedules of beta", level=1), Figure("schedules", svg, caption)], folder)
    print(f"The figure is {folder / 'schedules.svg'}.")


if __name__ == "__main__":
    command_line.run(main, RunError, takes_arguments=True)

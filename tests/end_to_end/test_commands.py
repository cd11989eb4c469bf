"""The commands as a user types them: the demo from end to end, and what happens when something is wrong."""

import pytest

from commands import command
from multvae_tf import Run


def measured(output):
    """The cells of the first row of a results table: the test of the run."""
    row = next(line for line in output.splitlines() if line.startswith("| test"))
    return row.split("|")[2:]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A folder with a run of two epochs, and what the command printed."""
    folder = tmp_path_factory.mktemp("demo")
    result = command("train", "--epochs=2", "--run_dir=run", cwd=folder)
    assert result.returncode == 0, result.stderr
    return folder, result


def test_training_prints_its_results_and_what_to_type_next(demo):
    _, result = demo
    assert "| test, this run |" in result.stdout
    assert "| test, popularity |" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("  python scripts/recommend.py --run=run --history=")
    assert result.stderr == ""


def test_a_run_folder_is_complete(demo):
    folder, _ = demo
    names = {path.name for path in (folder / "run").glob("[!.]*")}
    assert names == {
        "config.json", "items.csv", "history.csv", "tensorboard", "checkpoints", "best.weights.h5",
        "metrics.json", "test_users.npz", "curves.png", "README.md",
    }  # fmt: skip
    run = Run.open(folder / "run")
    assert (run.settings.model["class_name"], run.settings.data.name) == ("MultVAE", "demo")
    assert (run.settings.training.epochs, run.settings.model["config"]["seed"]) == (2, 98765)
    for estimates in (run.metrics.validation, run.metrics.test):
        assert set(estimates) == {"NDCG@100", "Recall@20", "Recall@50"}
        assert 0 < estimates["NDCG@100"].standard_error < estimates["NDCG@100"].mean < 1
    assert min(run.metrics.seconds, run.metrics.users_per_second, run.metrics.best_epoch) > 0
    assert run.items.num_train_users.sum() > len(run.items.ids)


def test_evaluate_repeats_the_test_of_the_run(demo):
    folder, trained = demo
    result = command("evaluate", cwd=folder)
    assert result.returncode != 0  # The run is not below runs/: it has to be named.
    assert "there is no run below runs" in result.stderr
    result = command("evaluate", "--run=run", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert measured(result.stdout) == measured(trained.stdout)


def test_recommend_names_the_titles(demo):
    folder, _ = demo
    result = command("recommend", "--run=run", "--history=1, 2,nonsense", "--k=3", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert "nonsense" in result.stdout
    assert result.stdout.count(" no. ") == 5
    assert result.stderr == ""


def test_resume_of_a_finished_run_changes_nothing(demo):
    folder, trained = demo
    weights = (folder / "run" / "best.weights.h5").read_bytes()
    result = command("train", "--resume", "--run_dir=run", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert (folder / "run" / "best.weights.h5").read_bytes() == weights
    assert measured(result.stdout) == measured(trained.stdout)


def test_the_largest_beta_can_be_searched(tmp_path):
    flags = ["--epochs=2", "--run_dir=run", "--anneal_cap=auto", "--latent_dim=8", "--hidden_dims=16"]
    result = command("train", *flags, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    cap = Run.open(tmp_path / "run").settings.model["config"]["beta"]["config"]["anneal_cap"]
    assert f"had beta = {cap:.4f}: the largest beta of the run that follows." in result.stdout
    assert 0 < cap <= 1
    again = command("train", "--resume", "--run_dir=run", "--anneal_cap=auto", cwd=tmp_path)
    assert measured(again.stdout) == measured(result.stdout)


def test_an_export_recommends_what_the_run_does(demo):
    folder, _ = demo
    flags = ["--name=films", "--saved_models_dir=served"]
    trained = command("train", "--resume", "--run_dir=run", "--export", *flags, cwd=folder)
    assert trained.returncode == 0, trained.stderr
    exported = command("export", "--run=run", *flags, cwd=folder)
    assert exported.returncode == 0, exported.stderr
    asked = "--history=1,2,nonsense"
    by_run = command("recommend", "--run=run", asked, cwd=folder).stdout
    for number, printed in enumerate((trained.stdout, exported.stdout), start=1):
        assert printed.splitlines()[-1].startswith(
            f"  python scripts/recommend.py --saved_model=served/films/{number} --history="
        )
        result = command("recommend", f"--saved_model=served/films/{number}", asked, cwd=folder)
        assert (result.stdout, result.stderr) == (by_run, "")


@pytest.mark.parametrize(
    ("name", "flags", "message"),
    [
        ("train", ["--datset=ml20m"], "Unknown command line flag 'datset'. Did you mean: dataset"),
        ("train", ["ml20m"], "unexpected argument 'ml20m': every flag begins with --"),
        ("train", ["--dataset=ml20"], "there is no dataset or file 'ml20'; did you mean ml20m?"),
        (
            "train",
            ["--model=multdae", "--anneal_cap=1"],
            "--anneal_cap=1.0 has no effect with",
        ),
        ("train", ["--anneal_cap=autumn"], "flag --anneal_cap=autumn: expected a number or auto"),
        ("train", ["--hidden_dims=8,b"], "flag --hidden_dims=8,b: expected whole numbers with commas"),
        ("train", ["--epochs=0"], "--epochs is 0; it must be at least 1"),
        ("train", ["--dropout_rate=1"], "--dropout_rate is 1.0; it must be at least 0 and less than 1"),
        (
            "train",
            ["--model=recvae", "--hidden_dims=8,9"],
            "--hidden_dims is (8, 9); it must be equal",
        ),
        ("train", ["--beta=cyclical", "--anneal_cap=auto"], "--anneal_cap is None; it must be a number"),
        ("train", ["--model=vae"], "value should be one of <multvae|multdae|recvae|"),
        ("train", ["--config=nothing.json"], "config is nothing.json, and there is no such file"),
        ("train", ["--resume"], "--resume needs the run's folder: add --run="),
        ("train", ["--run_dir=run", "--epochs=2"], "run already holds a run: continue it with --resume"),
        (
            "train",
            ["--run_dir=run", "--resume", "--seed=5"],
            "is of another run: its seed is 98765, not 5; leave --seed out",
        ),
        ("train", ["--run_dir=/proc/run", "--epochs=1"], "/proc/run"),
        (
            "train",
            ["--dataset=broken.csv"],
            "broken.csv, line 3: rating is 'five'; it must be a finite number",
        ),
        ("train", ["--dataset=short.csv"], "short.csv has 2 users after the filters: too few"),
        ("recommend", ["--run=nowhere", "--history=1"], "nowhere holds no run"),
        ("prepare_data", ["--dataset=netflix"], "netflix is not here: fetch it from http"),
        ("benchmark", ["speed"], "name one benchmark: data_prep, train_step, evaluate, epoch, serving"),
        ("reproduce", [], "name one study, such as ucsd, or schedules"),
        ("reproduce", ["uscd"], "there is no study 'uscd': name one of multvae, published, recvae"),
        ("reproduce", ["published", "--dataset=ml20"], "there is no dataset or file 'ml20'; did you mean"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(name, flags, message, demo, tmp_path):
    folder, _ = demo
    (folder / "broken.csv").write_text("userId,movieId,rating\n1,1,5\n1,2,five\n")
    rows = "".join(f"{user},{item},5\n" for user in (1, 2) for item in range(6))
    (folder / "short.csv").write_text("userId,movieId,rating\n" + rows)
    before = sorted(folder.rglob("*"))
    result = command(name, *flags, cwd=folder)
    assert result.returncode == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    "name", ["train", "evaluate", "recommend", "export", "prepare_data", "benchmark", "reproduce"]
)
def test_help_explains_every_flag(name, tmp_path):
    text = command(name, "--help", cwd=tmp_path).stdout
    assert f"python scripts/{name}.py" in text
    if name in ("train", "evaluate", "prepare_data"):
        assert "\n  --dataset\n" in text
        assert "--[no]resume" in text or name != "train"

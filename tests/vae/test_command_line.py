"""The command line as a user meets it: its output and its exit status; in processes of its own where they matter."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.vae.command import command
from vae import runs as folders
from vae.bound.metrics import METRICS

ROOT = Path(__file__).parents[2]
SHORT = ("--epochs", "2", "--hidden", "16")


def vae(*arguments: str, runs: Path) -> subprocess.CompletedProcess[str]:
    done = command(*arguments, runs=runs)
    return subprocess.CompletedProcess(arguments, done.returncode, done.stdout.decode(), done.stderr.decode())


def process(*arguments: str, runs: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ELBO_ROOM_RUNS": str(runs), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "vae", *arguments], capture_output=True, text=True, env=environment, timeout=120
    )


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    runs = tmp_path_factory.mktemp("runs")
    result = process("train", *SHORT, "--name", "first", "--json", runs=runs)
    assert result.returncode == 0, result.stderr
    return runs, json.loads(result.stdout)


@pytest.fixture
def trained(trained_once: tuple[Path, dict], tmp_path: Path) -> tuple[Path, dict]:
    """A folder of a test's own with the run, and what its training printed."""
    return shutil.copytree(trained_once[0], tmp_path / "runs"), trained_once[1]


def test_train_prints_one_object_that_agrees_with_the_history(trained_once: tuple[Path, dict]) -> None:
    runs, answer = trained_once
    history = [json.loads(line) for line in (runs / "first/history.jsonl").read_text().splitlines()]
    assert answer["run"] == str(runs / "first")
    assert answer["step"] == 23 == history[-1]["step"]  # 2 x 1437 / 128, the last part of a batch included
    assert answer["elbo"] == history[-1]["test"]["elbo"]
    assert history[-1]["test"]["images"] == 360


def test_evaluate_is_the_last_record_up_to_noise_and_the_bound_is_above_the_elbo(trained: tuple[Path, dict]) -> None:
    runs, answer = trained
    result = vae("evaluate", "first", "--samples", "64", "--json", runs=runs)
    values = json.loads(result.stdout)
    names = (
        "elbo elbo_standard_error distortion rate iw_bound iw_standard_error iw_ess iw_ess_median iw_ess_smallest "
        "iw_flagged iw_unseen pareto_k_median pareto_k_largest samples proposal active_units "
        "mutual_information_at_least mutual_information_standard_error mutual_information_limit "
        "mutual_information_images metrics n"
    )
    assert set(values) ^ set(names.split()) <= set(METRICS)  # which are listed, each with its unit and a sentence
    assert list(values["metrics"]) == list(METRICS)
    assert all(metric["unit"] and metric["about"].endswith(".") for metric in values["metrics"].values())
    assert values["n"] == 360
    assert values["samples"] == 64
    assert values["elbo"] == pytest.approx(answer["elbo"], abs=1.0)
    assert 0 < values["elbo_standard_error"] < 0.1
    assert values["elbo"] == pytest.approx(-values["distortion"] - values["rate"], abs=1e-9)
    assert values["iw_bound"] > values["elbo"]
    assert 1 <= values["iw_ess"] <= 64


def test_list_and_a_config_file_that_repeats_a_run(trained: tuple[Path, dict]) -> None:
    runs, answer = trained
    again = vae("train", "--config", str(runs / "first/config.json"), "--name", "again", "--json", runs=runs)
    assert json.loads(again.stdout)["elbo"] == answer["elbo"]
    listed = json.loads(vae("list", "--json", runs=runs).stdout)["runs"]
    assert {row["name"]: row["state"] for row in listed} == {"first": "finished", "again": "finished"}


def test_auto_on_the_command_line_is_stronger_than_a_file(tmp_path: Path) -> None:
    from vae.arguments import config_of, parser

    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"batch_size": 7, "lr": 0.5, "precision": "bfloat16", "latent_dim": 3}))
    words = ["train", "--config", str(file)]
    config = config_of(parser().parse_args(words))
    assert (config.batch_size, config.lr, config.precision, config.latent_dim) == (7, 0.5, "bfloat16", 3)
    config = config_of(parser().parse_args([*words, "--batch-size=auto", "--lr=auto", "--precision=auto"]))
    assert (config.batch_size, config.lr, config.precision, config.latent_dim) == (None, None, None, 3)
    config = config_of(parser().parse_args([*words, "--batch-size=9", "--lr=1e-2", "--precision=float32"]))
    assert (config.batch_size, config.lr, config.precision) == (9, 1e-2, "float32")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"hidden": 5}', "hidden: expected"),
        ('{"latent": []}', "latent: expected a text"),
        ('{"C": 1' + "0" * 400 + "}", "at most 20 digits"),
        ('{"lr": 1e999}', "finite numbers"),
        ("[" * 2000, "inside one another"),
        ("[]", "expected an object, got a list"),
        ('{"config": 5}', "expected an object, got 5"),
        ('{"epochs": "7"}', "epochs: expected a whole number"),
    ],
)  # fmt: skip
def test_a_file_of_settings_is_checked_field_by_field(content: str, sentence: str, tmp_path: Path) -> None:
    from vae.arguments import config_of, parser
    from vae.errors import ConfigError

    (tmp_path / "settings.json").write_text(content)
    with pytest.raises(ConfigError, match=sentence):
        config_of(parser().parse_args(["train", "--config", str(tmp_path / "settings.json")]))


def test_resume_goes_on_to_more_epochs_only(trained: tuple[Path, dict]) -> None:
    runs, _ = trained
    vae("train", *SHORT, "--name", "longer", runs=runs)
    assert json.loads(vae("resume", "longer", "--json", runs=runs).stdout)["step"] == 23
    assert json.loads(vae("resume", "longer", "--epochs", "4", "--json", runs=runs).stdout)["step"] == 45
    less = vae("resume", "longer", "--epochs", "4", runs=runs)
    assert less.returncode == 2
    assert "epochs: run 'longer' has 4" in less.stderr


def test_a_packed_run_is_small_and_goes_on_with_a_fresh_optimiser_and_says_so(trained: tuple[Path, dict]) -> None:
    from vae.runs.ship import held_out

    runs, _ = trained
    vae("train", *SHORT, "--name", "packed", runs=runs)
    assert json.loads(vae("pack", "packed", "--json", runs=runs).stdout)["bytes"] < 200_000
    assert not (runs / "packed/resume").exists()
    pack = held_out(runs / "packed")
    assert pack.images.shape == (360, 1, 8, 8)
    assert pack.codes.shape == (360, 2)
    assert vae("resume", "packed", "--epochs", "3", "--json", runs=runs).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("train", "--dataset", "no-such-set"), "dataset: expected one of digits, mnist"),
        (("train", "--likelihood", "bernoulli", "--C", "fit"), "C: only a gaussian likelihood can fit C"),
        (("train", "--likelihood", "bernoulli", "--binarize", "none"), "cross-entropy on grey pixels is no likelihood"),
        (("train", "--network", "conv", "--epochs", "0"), "epochs: expected a whole number from 1 to 1,000"),
        (("train", "--C", "nan"), "C: expected a positive finite number"),
        (("train", "--lr-schedule", "steps:x"), "lr_schedule: expected constant, cosine or steps"),
        (("train", "--objective", "iwae", "--likelihood", "bernoulli", "--C", "2"), "only at C = 1"),
        (("evaluate", "../../etc"), "no run named"),
        (("resume", "nobody"), "no run named"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(arguments: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    result = vae(*arguments, runs=tmp_path)
    assert result.returncode == 2
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_a_process_ends_with_the_status_of_its_command(tmp_path: Path) -> None:
    refused = ("resume", "../../etc")  # which imports no torch for that
    result, here = process(*refused, runs=tmp_path), vae(*refused, runs=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (2, "", here.stderr)


def test_bernoulli_on_grey_says_what_it_implies(tmp_path: Path) -> None:
    result = vae("train", *SHORT, "--likelihood", "bernoulli", runs=tmp_path)
    assert "--binarize epoch" in result.stderr
    config = json.loads(next(tmp_path.glob("*/config.json")).read_text())["config"]
    assert config["binarize"] == "epoch"
    assert config["C"] == 1.0


def test_ctrl_c_saves_and_stops(tmp_path: Path) -> None:
    environment = {**os.environ, "ELBO_ROOM_RUNS": str(tmp_path), "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "vae", "train", "--epochs", "100000", "--name", "long"]
    long = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    history = tmp_path / "long/history.jsonl"
    while not history.exists() or b'"train"' not in history.read_bytes():
        assert time.monotonic() < deadline, "no record within two minutes"
        time.sleep(0.1)
    long.send_signal(signal.SIGINT)
    out, error = long.communicate(timeout=120)
    assert long.returncode == 130, error  # not done: what comes after it in a script had better not start
    assert b"stopped" in out
    assert (tmp_path / "long/resume/state.safetensors").is_file()


def test_help_needs_no_torch(tmp_path: Path) -> None:
    code = "import sys; sys.modules['torch'] = None; from vae.__main__ import main; main(['--help'])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    assert "evaluate" in result.stdout


def test_doctor_names_versions_and_places(tmp_path: Path) -> None:
    facts = json.loads(vae("doctor", "--json", runs=tmp_path).stdout)
    assert facts["runs"] == str(tmp_path)
    assert facts["torch"][0].isdigit()
    assert facts["free disk"].endswith("GB")


def test_evaluate_exact_adds_log_px_and_the_gap_in_two_ways(tmp_path: Path) -> None:
    bits = "--latent bernoulli --latent-dim 3 --binarize threshold --name bits --threads 1"
    assert vae("train", *SHORT, *bits.split(), runs=tmp_path).returncode == 0
    answer = vae("evaluate", "bits", "--samples", "50", "--limit", "40", "--exact", "--json", runs=tmp_path)
    told = json.loads(answer.stdout)
    assert told["log_px_method"] == "all codes"
    assert told["gap"] == pytest.approx(told["kl_to_posterior"], abs=1e-4)
    assert told["gap"] == pytest.approx(told["log_px"] - told["exact_elbo"], abs=1e-9)
    assert told["elbo"] == told["exact_elbo"]
    assert (told["elbo_standard_error"], told["log_px_error"]) == (0, 0)
    assert told["log_px"] - 0.5 < told["iw_bound"] < told["log_px"] + 0.1
    assert told["n"] == 40
    refused = vae("evaluate", "bits", "--samples", "50", "--proposal", "refined", runs=tmp_path)
    assert refused.returncode == 2
    assert "refined needs real codes, and these are bernoulli" in refused.stderr


def test_a_sweep_makes_one_run_for_each_setting_and_they_go_on_together(tmp_path: Path) -> None:
    given = ("--C", "1,10,fit", "--lr", "1e-3,auto", "--seeds", "2", "--seed", "5", "--name", "try")
    result = vae("sweep", *SHORT, *given, "--json", runs=tmp_path)
    assert result.returncode == 0, result.stderr
    answers = json.loads(result.stdout)["runs"]
    names = [
        f"try-C-{C}-lr-{lr}-seed-{seed}" for C in ("1", "10", "fit") for lr in ("0.001", "auto") for seed in (5, 6)
    ]
    assert [Path(answer["run"]).name for answer in answers] == names
    assert {(answer["state"], answer["step"]) for answer in answers} == {("finished", 23)}
    by_name = {Path(answer["run"]).name: answer for answer in answers}
    for name, answer in by_name.items():
        config = json.loads((tmp_path / name / "config.json").read_text())["config"]
        assert name == f"try-C-{config['C'] if config['C'] == 'fit' else int(config['C'])}-lr-{name.split('-')[4]}-" + (
            f"seed-{config['seed']}"
        )
        assert answer["elbo"] == pytest.approx(-answer["distortion"] - answer["rate"], abs=1e-9)
    alone = vae("train", *SHORT, "--C", "10", "--seed", "6", "--lr", "1e-3", "--json", runs=tmp_path)
    same = by_name["try-C-10-lr-0.001-seed-6"]
    assert json.loads(alone.stdout)["elbo"] == pytest.approx(same["elbo"], rel=1e-4)

    more = vae("resume", *names[:4], "--epochs", "3", runs=tmp_path)
    assert more.returncode == 0, more.stderr
    lines = more.stdout.splitlines()
    assert "distortion" in lines[1]
    assert [line.split()[:3] for line in lines[2:]] == [[name, "finished", "34"] for name in names[:4]]


def test_close_values_are_runs_of_their_own(tmp_path: Path) -> None:
    result = vae("sweep", *SHORT, "--C", "1000000,1000001,1,1", runs=tmp_path)
    assert result.returncode == 0, result.stderr
    assert sorted(path.name for path in folders.list_runs(tmp_path)) == [
        f"digits-C-{C}" for C in ("1", "1-2", "1000000", "1000001")
    ]


def test_resuming_several_changes_none_where_one_cannot_go_on(tmp_path: Path) -> None:
    assert vae("sweep", *SHORT, "--C", "1,10", "--name", "two", runs=tmp_path).returncode == 0
    one, other = tmp_path / "two-C-1", tmp_path / "two-C-10"
    folders.change_knobs(other, paused=True)
    lock = folders.acquire(other)
    result = vae("resume", one.name, other.name, "--epochs", "4", runs=tmp_path)
    lock.release()
    assert result.returncode == 2
    assert "'two-C-10' is being trained by another process" in result.stderr
    assert folders.read_knobs(other).paused
    assert folders.read_config(one)[0].epochs == folders.read_config(other)[0].epochs == 2
    again = vae("resume", one.name, one.name, "--epochs", "3", "--json", runs=tmp_path)
    assert json.loads(again.stdout)["step"] == 34


def made_elsewhere(path: Path, **settings: object) -> None:
    """As a machine with other devices would have written the run."""
    config, _ = folders.read_config(path)
    folders.replace_config(path, dataclasses.replace(config, **settings))


def kept_end(path: Path) -> tuple[object, ...]:
    """What a refusal must leave: how the run ended, its settings, its weights and its history."""
    status = folders.read_status(path)
    files = [(path / name).read_bytes() for name in ("config.json", "history.jsonl", folders.WEIGHTS, folders.STATE)]
    return status.state, status.step, status.message, status.epoch, *files


def test_a_run_from_a_gpu_goes_on_without_one_and_says_so(tmp_path: Path) -> None:
    assert vae("train", *SHORT, "--name", "one", runs=tmp_path).returncode == 0
    path = tmp_path / "one"
    assert folders.read_config(path)[0].device == "auto"  # each machine takes the best that it has
    made_elsewhere(path, device="mps", precision="tf32")
    result = vae("resume", "one", "--epochs", "3", runs=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "Continues on cpu in float32, 1 thread, not bit for bit: mps is not here, tf32 is a GPU's." in result.stderr
    assert folders.read_status(path).state == "finished"
    assert folders.read_config(path)[0].device == "mps"  # the setting is the user's
    began = [line for line in folders.read_history(path) if line.get("event") == "started"]
    assert [(line["step"], line["device"], line["precision"]) for line in began][:1] == [(0, "cpu", "float32")]


def test_a_resume_that_is_refused_changes_nothing(tmp_path: Path) -> None:
    assert vae("train", *SHORT, "--name", "one", runs=tmp_path).returncode == 0
    path = tmp_path / "one"
    before = kept_end(path)
    for given, sentence in (
        (("--epochs", "3", "--device", "mps"), "device: 'mps' cannot be used here"),
        (("--epochs", "3", "--device", "abacus"), "device: 'abacus' cannot be used here"),
        (("--epochs", "2"), "epochs: run 'one' has 2; give more than that"),
        (("--epochs", "1000000000000"), "epochs: expected a whole number from 1"),
    ):
        result = vae("resume", "one", *given, runs=tmp_path)
        assert result.returncode == 2
        assert sentence in result.stderr
        assert result.stderr.count("\n") == 1
        assert kept_end(path) == before
    made_elsewhere(path, dataset=str(tmp_path / "gone.npz"))
    before = kept_end(path)
    result = vae("resume", "one", "--epochs", "3", runs=tmp_path)
    assert result.returncode == 2
    assert "gone.npz: expected a file there" in result.stderr
    assert kept_end(path) == before
    made_elsewhere(path, dataset="digits")
    assert json.loads(vae("resume", "one", "--epochs", "3", "--json", runs=tmp_path).stdout)["step"] == 34


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("--C", "1,-2"), "C: expected a positive finite number"),
        (("--C", "1,two"), "argument --C: expected a number, fit, or a range such as 0.3..300:8, got 'two'"),
        (("--seeds", "0"), "seeds: expected 1 or more, got 0"),
        (("--lr", "0"), "lr: expected a positive number"),
    ],
)
def test_a_bad_sweep_makes_no_run(tmp_path: Path, given: tuple[str, ...], sentence: str) -> None:
    result = vae("sweep", *SHORT, *given, runs=tmp_path)
    assert result.returncode == 2
    assert sentence in result.stderr
    assert not list(tmp_path.iterdir())

"""Findings keep to their contract on every kind of run; those that are broken on purpose do not."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import vae
from tests.vae.contracts_findings import (
    finding_keeps_its_word,
    finding_lets_itself_be_stopped,
    finding_says_what_it_is,
    finding_tells_the_same_again,
)
from tests.vae.diagnosis.made import DEMOS, small_images, trained, without_its_images
from vae.diagnosis.case import Case
from vae.diagnosis.finding import Advice, Finding, Found, number_with_error
from vae.diagnosis.findings import FINDINGS
from vae.diagnosis.findings.collapsed import Collapsed
from vae.diagnosis.results import Result
from vae.diagnosis.work import in_turn, result_of, results_of
from vae.errors import DataError
from vae.runs import Run, load_run
from vae.runs.ship import pack_run


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """One run of each kind."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("kinds")
    grey, real = small_images(folder), small_images(folder, "real")
    (folder / "bare").mkdir()
    bare = small_images(folder / "bare", labelled=False)
    made = {
        "gaussian": trained(folder, "gaussian", grey, C="fit"),
        "bits": trained(folder, "bits", grey, latent="bernoulli", likelihood="bernoulli", binarize="threshold"),
        "full covariance": trained(folder, "full", grey, latent="full-normal"),
        "real": trained(folder, "real", real, likelihood="gaussian"),
        "without labels": trained(folder, "bare", bare, likelihood="continuous-bernoulli"),
        "one dimension": trained(folder, "one", grey, latent_dim=1),
        "colour": trained(folder, "colour", small_images(folder, "colour"), network="conv", hidden=None),
    }
    runs = {kind: load_run(path) for kind, path in made.items()}
    x = np.load(grey)["images"][:, None]
    runs["logged"] = logged(folder, x)
    for kind, C in (("imported", 50.0), ("of no likelihood", None)):
        front, back = nn.Sequential(nn.Flatten(), nn.Linear(36, 6)), nn.Sequential(nn.Linear(3, 36), nn.Sigmoid())
        likelihood = "gaussian" if C else None
        runs[kind] = vae.wrap(front, back, images=x, likelihood=likelihood, C=C, name=kind.split()[-1], folder=folder)
    packed = shutil.copytree(made["gaussian"], folder / "packed")
    pack_run(packed)
    runs["images that came along"] = without_its_images(packed)
    shipped = {"shipped": load_run(DEMOS / "demo-digits-2d"), "shipped bits": load_run(DEMOS / "demo-digits-8bits")}
    return runs | shipped


def logged(folder: Path, x: np.ndarray) -> Run:
    """A loop of somebody's own, whose loss falls and whose model comes at its end."""
    rng = np.random.default_rng(0)
    front, back = nn.Sequential(nn.Flatten(), nn.Linear(36, 6)), nn.Sequential(nn.Linear(3, 36), nn.Sigmoid())
    with vae.log("logged", images=x, likelihood="bernoulli", folder=folder) as log:
        for step in range(24):
            fall = 20 * np.exp(-step / 8)
            log.step(distortion=20 + fall + rng.random(16), rate=1 + rng.random((16, 3)))
            log.test(distortion=22 + fall + rng.random(16), rate=1 + rng.random((16, 3)))
        log.model(front, back)
    return load_run(folder / "logged")


@pytest.fixture
def quicker(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what is told here no number is held against anything."""
    monkeypatch.setattr("vae.bound.density_ratio.STEPS", 45)
    monkeypatch.setattr("vae.bound.density_ratio.DRAWS", 2_000)
    monkeypatch.setattr("vae.diagnosis.findings.loose_bound.IMAGES", 8)


@pytest.mark.parametrize("finding", FINDINGS.values(), ids=lambda finding: finding.name)
def test_every_finding_says_what_it_is(finding: Finding) -> None:
    assert FINDINGS[finding.name] is finding
    finding_says_what_it_is(finding)


@pytest.mark.parametrize("finding", FINDINGS.values(), ids=lambda finding: finding.name)
def test_every_finding_keeps_its_word_on_every_run(
    finding: Finding, kinds: dict[str, Run], tmp_path: Path, quicker: None
) -> None:
    assert sum(finding_keeps_its_word(finding, run, tmp_path) for run in kinds.values())


@pytest.mark.parametrize("finding", FINDINGS.values(), ids=lambda finding: finding.name)
def test_every_finding_tells_the_same_again_and_lets_itself_be_stopped(
    finding: Finding, kinds: dict[str, Run], quick: None
) -> None:
    run = next(run for run in kinds.values() if not finding.why_not(Case(run)))
    finding_tells_the_same_again(finding, run)
    finding_lets_itself_be_stopped(finding, run)


def test_every_file_of_a_finding_is_in_the_registry() -> None:
    folder = Path(__file__).resolve().parents[3] / "vae/diagnosis/findings"
    listed = {type(finding).__module__.rsplit(".", 1)[-1] for finding in FINDINGS.values()}
    holding = {file.stem for file in folder.glob("*.py") if "(Finding)" in file.read_text(encoding="utf-8")}
    assert holding == listed


# ---- broken ones


def keeps_to_everything(finding: Finding, run: Run, folder: Path) -> None:
    finding_keeps_its_word(finding, run, folder)
    finding_tells_the_same_again(finding, run)


class Wordless(Collapsed):
    def find(self, case: Case) -> Found:
        return dataclasses.replace(super().find(case), sentence="Something is not as it should be.")


class Infinite(Collapsed):
    def find(self, case: Case) -> Found:
        return dataclasses.replace(super().find(case), nats=float("inf"))


class Scripted(Collapsed):
    def find(self, case: Case) -> Found:
        told = super().find(case)
        return dataclasses.replace(told, picture=told.picture.replace("<path", "<script>1</script><path", 1))


class Random(Collapsed):
    def find(self, case: Case) -> Found:
        return dataclasses.replace(super().find(case), value=float(np.random.default_rng().normal()))


class Lost(Collapsed):
    def find(self, case: Case) -> Found:
        told = super().find(case)
        return dataclasses.replace(told, advice=(Advice("Look", "nowhere"),))


@pytest.mark.parametrize("broken", [Wordless, Infinite, Scripted, Random, Lost])
def test_a_broken_finding_is_found_out(broken: type[Finding], kinds: dict[str, Run], tmp_path: Path) -> None:
    assert finding_keeps_its_word(Collapsed(), kinds["gaussian"], tmp_path)
    with pytest.raises((AssertionError, ValueError)):
        keeps_to_everything(broken(), kinds["gaussian"], tmp_path)


# ---- one after the other


def of_kind(name: str, seconds: float, does: Any) -> Finding:
    finding = Collapsed()
    finding.name, finding.seconds, finding.find = name, seconds, does  # type: ignore[misc, method-assign]
    return finding


def test_the_quickest_come_first_and_a_fault_of_one_leaves_the_others(
    kinds: dict[str, Run], registry: dict[str, Finding], capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks(case: Case) -> Found:
        raise KeyError("z")

    def cannot(case: Case) -> Found:
        raise DataError("faces: the images are not here")

    def floods(case: Case) -> Found:
        raise MemoryError

    def slow(case: Case) -> Found:
        for share in (0.9, 0.1, 2.0):  # twice over the images, and more than it said
            case.progress(share, "on")
        return Collapsed().find(case)

    others = {
        "slow": (9.0, slow),
        "breaks": (0.2, breaks),
        "cannot": (0.1, cannot),
        "floods": (0.3, floods),
    }
    registry.clear()
    registry.update({name: of_kind(name, seconds, does) for name, (seconds, does) in others.items()})
    shares: list[float] = []
    found = list(results_of(Case(kinds["gaussian"]), in_turn(), lambda _, share, words: shares.append(share)))
    assert [result.name for result in found] == ["cannot", "breaks", "floods", "slow"]
    assert found[0].failed == "faces: the images are not here"
    assert found[1].failed == "This finding has a fault: KeyError: 'z'"
    assert found[2].failed.startswith("Out of memory")
    assert found[3].answer is not None
    assert "KeyError" in capsys.readouterr().err  # the traceback, for the log
    assert shares == sorted(shares)
    assert 0.9 < shares[-1] <= 1.0
    assert {one.name for one in in_turn(["slow", "cannot"])} == {"breaks", "floods"}
    orders = [result.order for result in (found[3], found[0])]
    assert orders == sorted(orders)


def test_results_are_sorted_by_what_is_at_stake() -> None:
    def made(found: bool, nats: float) -> Result:
        return Result("x", "?", Found(found, "t", "1", "1.", nats=nats))

    small, large, none, away = made(True, 0.1), made(True, 5.0), made(False, 0.0), Result("x", "?", why_not="No.")
    broken = Result("x", "?", failed="It broke.")
    wanted = [large, small, none, away, broken]
    assert sorted([away, none, broken, small, large], key=lambda result: result.order) == wanted


def test_a_number_keeps_its_error() -> None:
    assert number_with_error(2.0, 0.1) == "2.0 ± 0.1"
    assert number_with_error(2.0, 0.002) == "2.000 ± 0.002"
    assert number_with_error(2.0, None, 3) == "2.000"
    assert number_with_error(2.0, float("nan")) == "2.0"


def test_a_result_without_its_run_says_why(kinds: dict[str, Run], tmp_path: Path) -> None:
    """Images that are not here, and none that came along."""
    path = shutil.copytree(kinds["gaussian"].path, tmp_path / "moved")
    result = result_of(Case(without_its_images(path)), Collapsed())
    assert "-gone.npz" in result.failed


def test_a_loop_that_tells_no_epochs_is_counted_in_steps(kinds: dict[str, Run]) -> None:
    """The planted fall is 20 e^(−t/8): between steps 19 and 24 its slope is near −.17."""
    told = FINDINGS["converged"].find(Case(kinds["logged"]))
    assert told.unit == "nats a step"
    assert told.value == pytest.approx(-20 / 8 * np.exp(-20.5 / 8), abs=0.12)
    assert "step 20 to 24" in told.sentence

"""Layouts of codes: PCA against scikit-learn's, t-SNE by what it should keep, bad codes by their sentences."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from tests.vae.command import command
from tests.vae.space import held_fit
from vae import runs
from vae.datasets.dataset import split_indices
from vae.errors import ConfigError, ProjectionError, RunBusy, RunDamaged
from vae.space.fit_process import (
    FOLDER,
    KEPT,
    FitStatus,
    fit,
    folder_of,
    pack_frame,
    read_fit,
    read_projection,
    request_fit,
    stop_fit,
    unpack_frame,
)
from vae.space.projection import Frame, Projection
from vae.space.projections import PROJECTIONS, Pca, SklearnTsne, Tsne, installed, make_projection

ROOT = Path(__file__).resolve().parents[3]
SHA = "ab" * 32


def groups(n: int = 240, k: int = 6, apart: float = 8.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Codes in four well separated groups, and which group each is of."""
    generator = np.random.default_rng(seed)
    group = np.arange(n) % 4
    centres = generator.normal(size=(4, k))
    centres *= apart / np.linalg.norm(centres, axis=1, keepdims=True)
    return (centres[group] + generator.normal(size=(n, k))).astype(np.float32), group


def purity(places: np.ndarray, group: np.ndarray, count: int = 10) -> float:
    """Share of the nearest points on the map that are of the same group."""
    nearest = NearestNeighbors(n_neighbors=count + 1).fit(places).kneighbors(return_distance=False)[:, :count]
    return float((group[nearest] == group[:, np.newaxis]).mean())


def test_pca_is_scikit_learns() -> None:
    x, _ = groups()
    ours, theirs = Pca(), PCA(2, svd_solver="full")
    y, expected = ours.fit(x), theirs.fit_transform(x.astype(np.float64))
    signs = np.sign((y * expected).sum(0))
    np.testing.assert_allclose(y, expected * signs, atol=1e-4)
    np.testing.assert_allclose(ours.explained, theirs.explained_variance_ratio_, rtol=1e-6)
    np.testing.assert_allclose(ours.transform(x[:7]), y[:7], atol=1e-5)


def test_what_the_page_decodes_at_a_place_of_pca_lies_there() -> None:
    x, _ = groups()
    pca = Pca()
    pca.fit(x)
    y = np.array([[0.0, 0.0], [1.5, -2.5]])
    codes = y @ pca.arrays()["components"] + pca.arrays()["mean"]  # as the page has it: z = V y + mean
    np.testing.assert_allclose(pca.transform(codes), y, atol=1e-5)
    np.testing.assert_allclose(codes[0], x.mean(0), atol=1e-5)


def test_pca_is_the_same_each_time_and_of_codes_on_a_line() -> None:
    x = np.outer(np.arange(10.0), [1, -2, 0.5])
    pca = Pca()
    y = pca.fit(x)
    assert np.ptp(y[:, 0]) == pytest.approx(9 * np.sqrt(5.25), rel=1e-5)
    np.testing.assert_allclose(y[:, 1], 0, atol=1e-5)
    np.testing.assert_allclose(pca.explained, [1, 0], atol=1e-9)
    np.testing.assert_array_equal(y, Pca().fit(x))


@pytest.mark.parametrize("settings", [{}, {"perplexity": 15.0}])
def test_tsne_keeps_groups_together_and_shows_itself(settings: dict[str, float]) -> None:
    x, group = groups()
    frames: list[tuple[int, float]] = []

    def look(frame: Frame) -> bool:
        frames.append((frame.iteration, float(np.std(frame.places))))
        assert frame.places.shape == (240, 2)
        assert frame.total == 625
        return False

    tsne = Tsne(**settings)  # type: ignore[arg-type]
    y = tsne.fit(x, look)
    assert purity(y, group) > 0.97
    assert frames[0][0] == 0
    assert [iteration for iteration, _ in frames[1:4]] == [5, 10, 15]
    assert frames[-1][0] == 625
    assert frames[0][1] < 1e-3 < 1 < frames[-1][1]
    arrived, its_group = groups(40, seed=0)
    places = tsne.transform(arrived + 0.05)
    nearest = NearestNeighbors(n_neighbors=1).fit(y).kneighbors(places, return_distance=False)[:, 0]
    assert (group[nearest] == its_group).mean() > 0.95


def test_a_stopped_tsne_keeps_what_it_has() -> None:
    x, _ = groups()
    seen: list[np.ndarray] = []

    def stop_at_30(frame: Frame) -> bool:
        seen.append(frame.places.copy())
        return frame.iteration >= 30

    y = Tsne().fit(x, stop_at_30)
    np.testing.assert_allclose(y, seen[-1], rtol=1e-5)
    assert len(seen) == 7
    start = Tsne().fit(x, lambda frame: True)
    assert np.std(start[:, 0]) == pytest.approx(1e-4, rel=0.01)
    assert np.corrcoef(start[:, 0], Pca().fit(x)[:, 0])[0, 1] > 0.999


def test_tsne_transforms_the_same_after_it_was_stored() -> None:
    x, _ = groups(n=80)
    tsne = Tsne(neighbours=10, seed=3)
    tsne.fit(x, lambda frame: frame.iteration >= 200)
    again = Tsne()
    again.restore(tsne.arrays())
    assert (again.neighbours, again.perplexity, again.seed) == (10, None, 3)
    new = groups(n=9, seed=4)[0]
    np.testing.assert_allclose(again.transform(new), tsne.transform(new), atol=1e-4)
    np.testing.assert_allclose(again.transform(new[:1]), again.transform(new)[:1], atol=0.5)


def test_equal_codes_among_others_do_no_harm() -> None:
    x, _ = groups(n=60)
    x[:20] = x[0]
    y = Tsne(neighbours=10).fit(x, lambda frame: frame.iteration >= 300)
    assert np.isfinite(y).all()


def test_scikit_learns_tsne_is_offered() -> None:
    x, group = groups(n=120)
    tsne = SklearnTsne(perplexity=10)
    assert purity(tsne.fit(x), group) > 0.95
    places = tsne.transform(x[:5])
    np.testing.assert_allclose(places, tsne.y[:5], atol=0.1)  # a code that was fitted is its own nearest


def bad_codes() -> dict[str, tuple[np.ndarray, str]]:
    good = groups(n=60)[0]
    spoilt = good.copy()
    spoilt[[3, 4], 1] = np.nan
    return {
        "few": (good[:12], "12 points are too few"),
        "nan": (spoilt, "2 of 60 codes hold values that are not finite"),
        "constant": (np.ones((60, 4)), "same code"),
        "one dimension": (good[:, :1], "one dimension"),
        "no table": (good[0], r"expected codes of shape \(n, k\)"),
        "none": (good[:0], "0 points are too few"),
    }


@pytest.mark.parametrize("method", ["pca", "tsne", "tsne-sklearn"])
@pytest.mark.parametrize("case", sorted(bad_codes()))
def test_codes_without_a_layout_are_explained(method: str, case: str) -> None:
    codes, words = bad_codes()[case]
    if method == "pca" and case == "few":
        codes, words = codes[:2], "2 points are too few, it needs 3"
    with pytest.raises(ProjectionError, match=words):
        make_projection(method).fit(codes)


def test_a_perplexity_that_needs_more_points_says_how_many() -> None:
    with pytest.raises(ProjectionError, match="60 points are too few, it needs 91; lower perplexity, or use PCA"):
        Tsne(perplexity=30).fit(groups(n=60)[0])


def test_methods_are_made_by_name_and_wrong_wishes_refused() -> None:
    assert {"pca", "tsne", "tsne-sklearn"} <= set(installed()) <= set(PROJECTIONS)
    assert isinstance(make_projection("tsne", perplexity=20.0), Tsne)
    for name, settings in (
        ("nope", {}),
        ("pca", {"perplexity": 3}),
        ("tsne", {"perplexity": 0}),
        ("tsne", {"neighbours": 0}),
    ):
        with pytest.raises(ConfigError, match=r"expected|no setting"):
            make_projection(name, **settings)
    for name in set(PROJECTIONS) - set(installed()):
        with pytest.raises(ConfigError, match="pip install"):
            make_projection(name)


def test_every_projection_is_registered_and_complete() -> None:
    def leaves(cls: type) -> set[type]:
        return {cls} if not cls.__subclasses__() else {leaf for sub in cls.__subclasses__() for leaf in leaves(sub)}

    own = {cls for cls in leaves(Projection) if cls.__module__.startswith("vae.")}
    assert own <= set(PROJECTIONS.values())


# ---- in a folder, in a process


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "one").mkdir()
    return tmp_path / "one"


def test_a_fit_lies_with_its_run(run: Path) -> None:
    x, _ = groups(n=80)
    folder = request_fit(run, "tsne", SHA, x, neighbours=10)
    assert folder == run / FOLDER / "tsne-abababab"
    assert read_fit(folder).state == "starting"
    status = fit(folder)
    assert (status.state, status.n, status.iteration, status.total, status.weights) == ("finished", 80, 625, 625, SHA)
    frame = unpack_frame((folder / "frame.bin").read_bytes())
    projection = read_projection(folder)
    np.testing.assert_array_equal(frame.places, projection.arrays()["y"])
    assert frame.kl is not None
    assert 0 < frame.kl < 3
    assert not list(folder.glob(".*.tmp"))


def test_a_fit_that_imports_is_starting_for_a_while(run: Path) -> None:
    folder = request_fit(run, "tsne", SHA, groups(n=80)[0])
    began = time.time() - 30
    os.utime(folder / "status.json", (began, began))
    assert read_fit(folder).state == "starting"
    began -= runs.START_LIMIT
    os.utime(folder / "status.json", (began, began))
    assert (read_fit(folder).state, "ended unexpectedly" in read_fit(folder).message) == ("failed", True)


def test_a_failed_fit_says_why(run: Path) -> None:
    status = fit(request_fit(run, "tsne", SHA, np.ones((60, 3), np.float32)))
    assert status.state == "failed"
    assert "same code" in status.message


def test_a_stop_asked_for_keeps_the_last_frame(run: Path) -> None:
    folder = request_fit(run, "tsne", SHA, groups()[0])
    stop_fit(folder)
    status = fit(folder)
    assert (status.state, status.iteration) == ("stopped", 0)
    assert len(unpack_frame((folder / "frame.bin").read_bytes()).places) == 240
    assert read_projection(folder).transform(groups(n=3)[0]).shape == (3, 2)


def test_a_folder_belongs_to_one_process_at_a_time(run: Path) -> None:
    folder = request_fit(run, "tsne", SHA, groups()[0])
    with runs.acquire(folder), pytest.raises(RunBusy):
        request_fit(run, "tsne", SHA, groups()[0])
    with pytest.raises(ConfigError, match="no setting"):
        request_fit(run, "pca", SHA, groups()[0], perplexity=3)


def test_layouts_of_older_weights_go_but_the_newest_few(run: Path) -> None:
    x = groups(n=20)[0]
    for number in range(KEPT + 3):
        folder = request_fit(run, "pca", f"{number:064x}"[::-1], x)
        os.utime(folder / "status.json", (number, number))
    request_fit(run, "pca", SHA, x, "train")
    kept = {path.name for path in (run / FOLDER).iterdir()}
    newest = {f"pca-{f'{number:064x}'[::-1][:8]}" for number in range(2, KEPT + 3)}
    assert kept == newest | {"pca-train-abababab"}


def test_what_cannot_be_read_is_refused_in_a_sentence(run: Path) -> None:
    folder = folder_of(run, "tsne", SHA)
    assert read_fit(folder) == FitStatus()
    with pytest.raises(RunDamaged, match="ask for it again"):
        read_projection(folder)
    folder.mkdir(parents=True)
    (folder / "status.json").write_text("{")
    assert read_fit(folder).state == "failed"
    frame = pack_frame(Frame(5, 10, np.arange(8.0).reshape(4, 2), float("nan")))
    assert unpack_frame(frame).kl is None
    for cut in (2, 20, len(frame) - 3):
        with pytest.raises(RunDamaged):
            unpack_frame(frame[:cut])


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start the process of a fit; none outlives its test."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(*arguments: str, stdin: int = subprocess.PIPE, held: bool = False) -> subprocess.Popen[bytes]:
        words = [*(held_fit.COMMAND if held else (sys.executable, "-m", "vae.space.fit_process")), *arguments]
        quiet = subprocess.DEVNULL
        started.append(subprocess.Popen(words, cwd=ROOT, bufsize=0, stdin=stdin, stdout=quiet, stderr=quiet))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait(120)
        if process.stdin is not None:
            process.stdin.close()


def wait_for(condition: Callable[[], object], seconds: float = 120.0) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.02)


@pytest.mark.slow
def test_the_process_ends_with_its_server_and_keeps_what_it_has(run: Path, start: Callable[..., Any]) -> None:
    folder = request_fit(run, "tsne", SHA, groups(n=3000, apart=4)[0])
    process = start(str(run), "--method", "tsne", "--weights", SHA, held=True)
    wait_for(lambda: read_fit(folder).iteration >= 10)
    process.stdin.close()
    assert process.wait(120) == 0
    status = read_fit(folder)
    assert status.state == "stopped"
    assert 10 <= status.iteration < 625
    assert read_projection(folder).arrays()["y"].std() > 0


@pytest.mark.slow
def test_a_killed_process_leaves_its_last_frame_and_no_lock(run: Path, start: Callable[..., Any]) -> None:
    folder = request_fit(run, "tsne", SHA, groups(n=3000, apart=4)[0])
    process = start(str(run), "--method", "tsne", "--weights", SHA, held=True)
    wait_for(lambda: read_fit(folder).iteration >= 10)
    process.send_signal(signal.SIGKILL)
    process.wait(120)
    wait_for(lambda: read_fit(folder).state == "stopped")
    assert "ended unexpectedly" in read_fit(folder).message
    assert len(unpack_frame((folder / "frame.bin").read_bytes()).places) == 3000
    request_fit(run, "tsne", SHA, groups()[0])


@pytest.mark.slow
def test_the_spare_waits_for_a_folder_and_ends_without_one(run: Path, start: Callable[..., Any]) -> None:
    folder = request_fit(run, "pca", SHA, groups()[0])
    process = start("--spare")
    process.stdin.write(os.fsencode(folder) + b"\n")
    process.stdin.flush()
    wait_for(lambda: read_fit(folder).state == "finished")
    process.stdin.close()
    assert process.wait(120) == 0
    assert start("--spare", stdin=subprocess.DEVNULL).wait(120) == 0
    assert start(stdin=subprocess.DEVNULL).wait(120) == 2


@pytest.mark.slow
def test_the_command_line_writes_places(tmp_path: Path) -> None:
    import shutil

    shutil.copytree(ROOT / "checkpoints" / "demo-digits-2d", tmp_path / "one")
    out = tmp_path / "map.csv"
    done = command("project", "one", "--runs", str(tmp_path), "--method", "pca", "--out", str(out), "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["method"], report["state"], report["n"]) == ("pca", "finished", 360)
    assert sum(report["explained"]) == pytest.approx(1, abs=1e-3)
    lines = out.read_text().splitlines()
    assert lines[0] == "index,row,row_of,x,y,label"
    assert len(lines) == 361
    places = unpack_frame(
        (
            folder_of(tmp_path / "one", "pca", runs.content_hash(tmp_path / "one", runs.WEIGHTS) or "") / "frame.bin"
        ).read_bytes()
    ).places
    assert lines[8].split(",")[1:3] == [str(split_indices(1797)[1][7]), "digits"]
    assert float(lines[8].split(",")[3]) == pytest.approx(float(places[7, 0]), abs=1e-4)
    for bad in (
        ["--method", "nope"],
        ["--out", "map.xlsx"],
        ["--out", "/nowhere/map.csv"],
        ["--method", "tsne", "--perplexity", "500"],
    ):
        refused = command("project", "one", "--runs", str(tmp_path), *bad)
        assert (refused.returncode, refused.stdout) == (2, b""), bad
        assert len(refused.stderr.strip().splitlines()) == 1

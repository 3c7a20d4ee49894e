from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ui.runs.gallery import Card, card_html, facts, picture, picture_html, read_card, select
from ui.runs.run_view import last_measured
from ui.train.summary import latent_words
from vae import runs
from vae.config import Config
from vae.model.latent_words import LatentWords
from vae.model.latents import LATENTS, BernoulliLatent
from vae.runs.preview import pack


def run(root: Path, name: str = "run") -> Path:
    data = {"name": "digits", "shape": [1, 8, 8]}
    return runs.create_run(Config(likelihood="gaussian", C="fit"), data, name, root)


def test_the_newest_held_out_record_counts(tmp_path: Path) -> None:
    path = run(tmp_path)
    assert last_measured(path) == {}
    for step, test in ((1, {"rate": 1.0}), (2, {"rate": 2.0}), (3, None)):
        runs.append_history(path, {"step": step, "train": {"rate": 0.5}, "test": test})
    runs.append_history(path, {"step": 3, "knob": "C", "value": 2.0})
    with open(path / "history.jsonl", "ab") as file:
        file.write(b'{"step": 4, "train"')  # torn
    assert last_measured(path)["step"] == 2


def test_without_held_out_records_the_newest_counts(tmp_path: Path) -> None:
    path = run(tmp_path)
    for step in (1, 2):
        runs.append_history(path, {"step": step, "train": {"rate": float(step)}, "test": None})
    assert last_measured(path)["step"] == 2
    assert read_card(path).rate == 2.0


def test_a_long_history_is_read_from_its_end(tmp_path: Path) -> None:
    path = run(tmp_path)
    line = json.dumps({"step": 7, "train": {}, "test": {"rate": 7.0}})
    (path / "history.jsonl").write_text(
        "\n".join([json.dumps({"step": 1, "train": {"x": "y" * 100}})] * 2000 + [line]) + "\n"
    )
    assert last_measured(path)["test"] == {"rate": 7.0}


@pytest.mark.parametrize(("count", "grid"), [(8, (4, 2)), (3, (3, 1)), (1, (1, 1)), (5, (4, 1))])
def test_the_picture_has_the_grid_of_the_sheet(tmp_path: Path, count: int, grid: tuple[int, int]) -> None:
    path = run(tmp_path)
    (path / "preview").mkdir()
    images = np.zeros((count, 8, 8, 1), np.uint8)
    (path / "preview" / "live.bin").write_bytes(pack(1, images, images))
    found = picture(path)
    assert found is not None
    assert (found.columns, found.rows) == grid
    assert picture_html(found).count("<i ") == grid[0] * grid[1]
    before = found.address
    (path / "preview" / "live.bin").write_bytes(pack(2, images, images))
    assert picture(path).address != before  # type: ignore[union-attr]


def test_no_picture_and_a_damaged_one(tmp_path: Path) -> None:
    path = run(tmp_path)
    assert picture(path) is None
    (path / "preview").mkdir()
    (path / "preview" / "live.bin").write_bytes(b"\xff\xff\xff\xffnothing")
    assert picture(path) is None
    assert "no picture yet" in card_html(read_card(path))


def test_everything_on_a_card_is_escaped() -> None:
    evil = "<script>alert(1)</script>"
    for problem in ("", evil):
        html = card_html(Card(Path(evil), 0.0, evil, dataset=evil, facts=evil, problem=problem))
        assert "<script" not in html


def test_select_searches_every_word_and_sorts() -> None:
    def card(name: str, **values: object) -> Card:
        return Card(Path(name), **{"created": 0.0, "state": "finished", **values})  # type: ignore[arg-type]

    cards = [
        card("a", created=1.0, dataset="digits", facts="d = 2 · gaussian", distortion=5.0),
        card("b", created=3.0, dataset="mnist", facts="d = 20 · bernoulli", distortion=None),
        card("c", created=2.0, dataset="mnist", facts="d = 2 · bernoulli", distortion=-1.0, state="running"),
    ]
    assert [c.name for c in select(cards)] == ["c", "b", "a"]  # at work first, then the newest
    assert [c.name for c in select(cards, "MNIST d = 2 ·")] == ["c", "b"]
    assert [c.name for c in select(cards, "gaussian digits")] == ["a"]
    assert [c.name for c in select(cards, order="Lowest distortion")] == ["c", "a", "b"]


def test_bits_and_full_covariances_are_named_beside_the_likelihood() -> None:
    assert facts(Config(latent="bernoulli", latent_dim=8, likelihood="bernoulli", C=1.0)) == "8 bits · bernoulli, C = 1"
    full = Config(latent="full-normal", latent_dim=2, likelihood="gaussian", C=2.0)
    assert facts(full) == "d = 2, full covariance · gaussian, C = 2"


def test_a_latent_with_a_file_of_its_own_says_its_own_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Trits(BernoulliLatent):
        name = "trits"
        words = LatentWords("trit", "drawn by thirds")

    monkeypatch.setitem(LATENTS, "trits", Trits)
    config = Config(dataset="digits", latent="trits", latent_dim=8, likelihood="gaussian", estimator="rloo-4")
    assert facts(config).startswith("8 trits, drawn by thirds · gaussian")
    assert latent_words(config) == "8 trits, drawn by thirds, gradient by rloo-4"
    assert latent_words(replace(config, latent="full-normal", latent_dim=1)) == "1 latent dimension, full covariance"
    assert runs.create_run(config, {}, root=tmp_path).name == "digits-gaussian-8trits"


def test_a_card_tells_the_recorded_elbo_with_its_error_over_images(tmp_path: Path) -> None:
    path = run(tmp_path)
    test = {"distortion": -17.249, "rate": 5.449, "elbo": 11.8, "elbo_error": 1.175}  # rounded parts: 17.2 − 5.4
    runs.append_history(path, {"step": 1, "train": {"rate": 0.5}, "test": test})
    html = card_html(read_card(path))
    assert "−17.2 <small>nats" in html
    assert "5.4 <small>nats" in html
    assert re.search(
        r'11\.8<small> <span title="standard error of the mean over held-out images[^"]*">± 1\.2</span>', html
    )
    test = {"distortion": 3.04, "rate": 1.04, "elbo": -4.08}  # minus the sum of rounded parts would be −4.0
    runs.append_history(path, {"step": 2, "train": {}, "test": test})
    assert "−4.1<small> nats" in card_html(read_card(path))
    runs.append_history(path, {"step": 3, "train": {}, "test": {"distortion": 3.0, "rate": 1.0}})
    assert "ELBO" not in card_html(read_card(path))


@pytest.mark.parametrize("name", ["demo-digits-2d", "demo-digits-8bits", "demo-mnist-10d"])
def test_the_shipped_cards_tell_an_error(name: str) -> None:
    card = read_card(Path(__file__).resolve().parents[3] / "checkpoints" / name)
    assert card.elbo_error is not None
    assert 0.1 < card.elbo_error < 2


def test_a_card_shows_the_C_in_force_and_whether_it_is_fitted(tmp_path: Path) -> None:
    path = run(tmp_path)
    assert read_card(path).facts == "d = 2 · gaussian, C = fit"  # no number is known before the first record
    runs.append_history(path, {"step": 1, "C": 36.24, "train": {"rate": 1.0}, "test": None})
    assert read_card(path).facts == "d = 2 · gaussian, C = 36.2 (fitted)"
    runs.change_knobs(path, C=5.0)
    runs.append_history(path, {"step": 2, "C": 5.0, "train": {"rate": 1.0}, "test": None})
    assert read_card(path).facts == "d = 2 · gaussian, C = 5"
    runs.change_knobs(path, C="fit")
    runs.append_history(path, {"step": 3, "C": 5.21, "train": {"rate": 1.0}, "test": None})
    assert read_card(path).facts == "d = 2 · gaussian, C = 5.21 (fitted)"
    (path / "knobs.json").write_text("{")  # damaged: the config's
    assert read_card(path).facts.endswith("(fitted)")


def test_a_card_has_the_squared_error_beside_the_nats(tmp_path: Path) -> None:
    path = run(tmp_path)
    runs.append_history(
        path, {"step": 1, "train": {}, "test": {"distortion": -64.3, "rate": 5.5, "squared_error": 1.78}}
    )
    html = card_html(read_card(path))
    found = re.findall(r">([^<>]+)</dt><dd>([^<]+) <small>([^<]+)<", html)
    assert found == [("Squared error", "1.8", "px²"), ("Distortion", "−64.3", "nats"), ("Rate", "5.5", "nats")]
    assert "Squared error" not in card_html(Card(path, 0.0, "finished", distortion=1.0, rate=2.0))  # an older run's

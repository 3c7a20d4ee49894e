"""The model card: its numbers are the run's, its front matter is YAML, and no text of a user becomes Markdown."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt

from tests.vae.exports.conftest import DEMOS, KINDS
from tests.vae.made_up import FOUND, keep
from vae import runs
from vae.bound.metrics import active_units
from vae.datasets import DATASETS
from vae.diagnosis.results import Result
from vae.exports.bundle import write_bundle
from vae.exports.bundle_layout import BARE, LIGHT, WHOLE
from vae.exports.markdown import plain
from vae.exports.model_card import Carried, model_card
from vae.exports.offline_words import what_C_is, when_trained
from vae.exports.snapshot import snapshot
from vae.model.likelihoods import LIKELIHOODS
from vae.runs.origin import Origin, day, write_origin

Made = Callable[[str], Path]


def card_of(path: Path, folder: Path, kind: str = LIGHT, **more: Any) -> str:
    write_bundle(runs.load_run(path), kind, folder / "card.zip", **more)
    with zipfile.ZipFile(folder / "card.zip") as archive:
        return archive.read("README.md").decode()


def seen(card: str) -> str:
    """The text as it is shown: without the escapes of Markdown and HTML."""
    return unescape(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", card))


def rows(card: str) -> dict[str, list[str]]:
    """The rows of its tables by their first cells."""
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in card.splitlines() if line[:1] == "|"]
    return {row[0].split(",")[0]: row[1:] for row in cells}


@pytest.mark.parametrize("name", ["demo-digits-2d", "demo-digits-8bits", "demo-mnist-10d"])
def test_its_numbers_are_those_of_the_run(name: str, tmp_path: Path) -> None:
    run = runs.load_run(DEMOS / name)
    card = seen(card_of(run.path, tmp_path))
    config, data, table = run.config, run.data, rows(card)
    last = [line for line in run.history if line.get("test")][-1]
    for term in ("distortion", "rate", "ELBO", "squared error"):
        key = term.lower().replace(" ", "_")
        shown, error, unit = table[term]
        assert float(shown.replace("−", "-").replace(",", "")) == pytest.approx(last["test"][key], abs=5e-4)
        told = last["test"].get(f"{key}_error")
        assert error == ("" if told is None else f"{told:,.3f}")
        assert unit == ("pixel²" if term == "squared error" else "nats")
    assert f"Means over {last['test']['images']:,} held-out images at step {last['step']:,}" in card
    assert f"{data['train']:,} to train, {data['test']:,} held out" in card
    assert f"Active units: {active_units(run.model, run.dataset())} of {config.latent_dim}," in card
    assert f"{config.epochs} of {config.epochs}" in table["epochs"][0]
    assert table["steps"] == [f"{last['step']:,} of {last['step']:,}"]
    assert table["seed"] == [str(config.seed)]
    assert f"learning rate {config.lr:g}, {config.lr_schedule}" in table["optimiser"][0]
    assert table["batch"] == [f"{config.batch_size} images"]
    assert ", ".join(map(str, config.hidden or ())) in table["network"][0]
    assert DATASETS[config.dataset].credit in card
    assert "carries" in card
    doc = " ".join((LIKELIHOODS[str(config.likelihood)].__doc__ or "").split("\n\n")[0].split())
    assert doc.partition(": ")[2] in card
    if config.likelihood == "gaussian":
        C = run.model.likelihood.C
        assert f"C = {C:.5g}, learned with the decoder" in card
        assert f"c = 1/(2C) = {1 / (2 * C):.3g}" in card


@pytest.mark.parametrize("kind", KINDS)
def test_it_has_front_matter_and_sections(kind: str, made: Made, tmp_path: Path) -> None:
    card = card_of(made(kind), tmp_path)
    _, front, body = card.split("---\n", 2)
    about = yaml.safe_load(front)
    assert about["library_name"] == "elbo-room"
    assert about["model_name"] == made(kind).name
    assert "variational-autoencoder" in about["tags"]
    assert len(set(about["tags"])) == len(about["tags"])
    heads = [line for line in body.splitlines() if line.startswith("#")]
    assert [head.lstrip("# ") for head in heads[1:7]] == [
        "Data", "Likelihood", "What it is worth", "How it was trained", "Limits", "Load it",
    ]  # fmt: skip
    assert not re.findall(r"None|\bnan\b|\d\.\d{8}", body)
    assert max(map(len, body.splitlines())) < 600


def test_its_code_runs(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    for kind in ("full", "loop"):
        folder = tmp_path / kind
        folder.mkdir()
        card = card_of(made(kind), folder)
        with zipfile.ZipFile(folder / "card.zip") as archive:
            archive.extractall(folder)
        monkeypatch.chdir(folder)
        monkeypatch.setenv("ELBO_ROOM_RUNS", str(made(kind).parent))
        for code in re.findall(r"```python\n(.*?)```", card, re.DOTALL):
            scope: dict[str, Any] = {}
            exec(code, scope)
            if "images" in scope:
                assert scope["images"].shape == (16, *runs.load_run(made(kind)).data["shape"])
    assert "decoder.0.weight" in capsys.readouterr().out
    assert (tmp_path / "loop/decoder.onnx").stat().st_size > 100


def test_what_it_carries_is_said(made: Made, tmp_path: Path) -> None:
    assert "This bundle carries 360 held-out images with their labels." in card_of(made("demo"), tmp_path, WHOLE)
    assert "This bundle carries no image of the data." in card_of(made("demo"), tmp_path, BARE)
    assert "This bundle carries 30 held-out images with their labels." in card_of(made("loop"), tmp_path)


def test_foreign_models_say_what_is_not_known(made: Made, tmp_path: Path) -> None:
    for kind in ("loop", "wrapped"):
        card = seen(card_of(made(kind), tmp_path))
        assert "its maker's own" in card
        assert "which images trained it is not told" in card
    path = shutil.copytree(made("wrapped"), tmp_path / "untold")
    content = json.loads((path / "config.json").read_text())
    content["config"]["likelihood"] = None
    runs.save_checked(path, {"config.json": json.dumps(content).encode()})
    assert "are not a likelihood's" in seen(card_of(path, tmp_path))


def test_hands_on_C_and_log_evidence_are_told_where_there_are_any(made: Made, tmp_path: Path) -> None:
    path = shutil.copytree(made("full"), tmp_path / "run")
    step = runs.read_status(path).step
    runs.append_history(path, {"step": step, "knob": "C", "value": 2.5})
    numbers = {"log_px": -12.5, "exact": None, "bounds": [{"samples": 5000, "monte_carlo_error": 0.25}]}
    import dataclasses

    keep(path, (Result("loose_bound", "Is it?", dataclasses.replace(FOUND, numbers=numbers, n=120)),))
    card = seen(card_of(path, tmp_path))
    assert f"C was changed by hand while it trained: at step {step:,} to 2.5." in card
    assert "log p(x) ≥ −12.500 ± 0.250 (Monte Carlo) nats from 5,000 importance samples an image" in card
    assert "log p(x) ≥" not in card_of(made("full"), tmp_path)


def test_colours_are_no_grey_levels(made: Made) -> None:
    taken = snapshot(runs.load_run(made("file")), whole=False)
    about = {"name": "run", "made_by": "", "made": 0.0, "elbo_room": "1", "torch": "2"}
    for channels, kind, other in ((1, "grey", "colour"), (3, "colour", "grey")):
        taken.run.data["shape"] = [channels, 6, 6]
        card = seen(model_card(taken, Carried(LIGHT, 0, False, False, 0), None, None, about))
        assert f"{kind} levels in [0, 1]" in card
        assert f"The pixels are {kind} levels, one of 256" in card
        assert f"{other} levels" not in card


def test_the_time_is_that_of_all_processes(made: Made, tmp_path: Path) -> None:
    path = shutil.copytree(made("full"), tmp_path / "run")
    before = [line["seconds"] for line in runs.load_run(path).history if line.get("seconds")][-1]
    step = runs.read_status(path).step
    runs.append_history(path, {"step": step, "event": "started", "device": "cpu", "threads": 1})
    for seconds in (before / 4, before / 2):  # the second process's clock
        runs.append_history(path, {"step": step, "epoch": 2.0, "seconds": seconds, "train": {"rate": 1.0}})
    assert rows(card_of(path, tmp_path))["time"] == [f"{1.5 * before:,.1f} s"]


def test_an_imported_run_ended_when_its_bundle_says_until_it_is_trained_on(made: Made, tmp_path: Path) -> None:
    path = shutil.copytree(made("full"), tmp_path / "run")
    heartbeat = runs.read_status(path).heartbeat
    write_origin(path, Origin("Ada", 1e9, heartbeat + 1))
    assert "training finished on 9 Sep 2001" in card_of(path, tmp_path)
    assert when_trained(runs.load_run(path), runs.read_status(path)).endswith(", 2001-09-09")
    write_origin(path, Origin("Ada", 1e9, heartbeat - 1))
    assert f"training finished on {day(heartbeat)}" in card_of(path, tmp_path)
    assert "2001" not in when_trained(runs.load_run(path), runs.read_status(path))


def test_whether_C_was_learned_is_told_as_it_was_last(made: Made, tmp_path: Path) -> None:
    path = shutil.copytree(made("full"), tmp_path / "run")
    assert runs.load_run(path).config.C == "fit"
    assert "(fitted)" in what_C_is(runs.load_run(path))
    runs.append_history(path, {"step": runs.read_status(path).step, "knob": "C", "value": 2.5})
    assert "(fitted)" not in what_C_is(runs.load_run(path))
    assert "fixed: a pixel's noise" in card_of(path, tmp_path)


EVIL = (
    "<img src=x onerror=alert(1)>", "![x](http://127.0.0.1:9/k)", "[a](javascript:alert)", "**bold** _it_ `c` $x^2$",
    "a\n# head\n\n| t | u |\n---", "www.evil.example https://evil.example me@evil.example", "<!-- -->", "&lt;b&gt;",
    "- item", "1. item", "~~gone~~", "\u202egnp\x07", "|", "\\", "=====", "```", ": {a: b}\n- c", "'\"", "---",
)  # fmt: skip


@pytest.mark.parametrize("text", EVIL)
def test_a_text_stays_a_text(text: str) -> None:
    html = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(
        f"Of {plain(text)} and\n\n| {plain(text)} |\n|---|"
    )
    shown = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    assert set(re.findall(r"</?(\w+)", html)) <= {"p", "table", "thead", "tr", "th"}
    assert html.count(unescape("&lt;")) == html.count("<")
    first = unescape(re.search(r"<p>(.*?)</p>", html, re.DOTALL)[1])  # type: ignore[index]
    assert first == f"Of {shown} and"
    assert not re.search(r"(?<!\\):/|www\.|(?<!\\)@", plain(text))  # what renderers make addresses of


def test_names_of_users_stay_texts_in_the_whole_card(made: Made, tmp_path: Path) -> None:
    path = shutil.copytree(made("full"), tmp_path / "run")
    content = json.loads((path / "config.json").read_text())
    content["data"] |= {"name": EVIL[0] + EVIL[1], "classes": list(EVIL)[:10]}
    runs.save_checked(path, {"config.json": json.dumps(content).encode()})
    card = card_of(path, tmp_path, made_by=EVIL[4] + EVIL[2])
    _, front, body = card.split("---\n", 2)
    assert isinstance(yaml.safe_load(front), dict)
    html = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(body)
    assert not set(re.findall(r"<(\w+)", html)) & {"img", "a", "em", "strong", "s", "script"}
    assert html.count("<h2>") == 6


def test_a_day_is_one_in_greenwich() -> None:
    assert day(0.0) == "1 Jan 1970"
    assert day(1795940186.07) == "29 Nov 2026"

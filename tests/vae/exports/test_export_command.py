"""`python -m vae export`: the table of formats, and what the command says where it cannot."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from vae import runs
from vae.__main__ import main
from vae.exports.export import Export
from vae.exports.exports import EXPORTS, export

DEMO = runs.load_run(Path(__file__).resolve().parents[3] / "checkpoints/demo-digits-2d")


@pytest.mark.parametrize("name", EXPORTS)
def test_a_format_says_what_it_is(name: str) -> None:
    made = export(name)
    assert isinstance(made, Export)
    assert made.title
    assert made.about.endswith(".")
    assert made.ending.startswith(".")
    assert all(words for words in made.kinds.values())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--format", "docx"], "format: expected "),
        (["--format", "csv", "--what", "tea"], "what: expected "),
        (["--format", "csv", "--out", "no/such/folder/x.csv"], "out: expected a file in a folder that exists"),
    ],
)
def test_what_cannot_be_is_one_sentence(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(DEMO.path), *words]) == 2
    told = capsys.readouterr().err
    assert told.startswith(said)
    assert told.count("\n") == 1


def test_help_names_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    for name in EXPORTS:
        if len(kinds := list(export(name).kinds)) > 1:
            assert f"of {name} {', '.join(kinds[:-1])} or {kinds[-1]}" in told


def test_the_history_as_a_table_holds_what_was_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "history.csv"
    assert main(["export", str(DEMO.path), "--format", "csv", "--what", "history", "--out", str(file), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    rows = list(csv.DictReader(file.read_text().splitlines()))
    records = [line for line in DEMO.history if line.get("train") or line.get("test")]
    assert (facts["file"], facts["bytes"], facts["rows"]) == (str(file), file.stat().st_size, len(rows))
    assert len(rows) == len(records) > 0
    for row, record in zip(rows, records, strict=True):
        assert int(row["step"]) == record["step"]
        if record["test"]:
            assert float(row["heldout_elbo"]) == record["test"]["elbo"]
        else:
            assert row["heldout_elbo"] == ""
        assert float(row["train_rate_per_dim_z1"]) == record["train"]["rate_per_dim"][1]

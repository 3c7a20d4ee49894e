"""The faults that were planted are found: the numbers that the Suspects page promises."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.vae.command import command
from tests.vae.diagnosis.faulty_mnist import BLANK, COPIES, INVERTED, MISLABELLED, FaultyRun
from vae import runs
from vae.diagnosis.suspects.classes import class_means
from vae.diagnosis.suspects.opened import open_part
from vae.diagnosis.suspects.table import Listed, order, removable


@pytest.fixture(scope="module")
def listed(faulty: FaultyRun) -> Listed:
    return open_part(runs.load_run(faulty.path), faulty.suspects, "train")


def rows(listed: Listed, **asked: object) -> list[int]:
    return [listed.row(i) for i in order(listed, **asked)]  # type: ignore[arg-type]


def test_four_of_five_of_the_first_hundred_by_their_neighbours_are_mislabelled(
    listed: Listed, faulty: FaultyRun
) -> None:
    wrong = set(faulty.data.mislabelled)
    assert len(listed) == 4800
    assert len(wrong) == MISLABELLED
    hits = {k: len(wrong & set(rows(listed, sort="disagreement", k=k)[:100])) for k in (5, 10, 20, 50)}
    assert hits[10] >= 80, hits
    assert min(hits.values()) >= 80, hits
    contradicted = set(rows(listed, kind="label", k=10))
    assert len(wrong & contradicted) >= 0.85 * MISLABELLED
    assert len(wrong & contradicted) >= 0.7 * len(contradicted)


def test_the_neighbours_name_the_true_class(listed: Listed, faulty: FaultyRun) -> None:
    from vae.datasets import load_dataset

    truth = load_dataset("mnist").train_labels
    assert truth is not None
    assert listed.scores.suggested is not None
    wrong = [i for i in range(len(listed)) if listed.row(i) in set(faulty.data.mislabelled)]
    right = [int(truth[listed.row(i)]) == listed.scores.suggested[i, 1] for i in wrong]
    assert np.mean(right) >= 0.9


def test_every_copy_and_every_blank_image_is_listed_and_nothing_else(listed: Listed, faulty: FaultyRun) -> None:
    data = faulty.data
    assert len(set(data.copies)) == COPIES
    assert set(rows(listed, kind="exact")) == set(data.copies) | set(data.originals)
    together = rows(listed, kind="exact", sort="copies")
    pairs = {frozenset(pair) for pair in zip(data.copies, data.originals, strict=True)}
    assert {frozenset(together[i : i + 2]) for i in range(0, len(together), 2)} == pairs
    assert sum(removable(listed, int(i)) for i in order(listed, kind="exact")) == COPIES  # one of each pair stays
    assert set(rows(listed, kind="blank")) == set(data.blank)
    assert len(rows(listed, kind="blank")) == BLANK


def test_inverted_images_are_far_out_and_lead_by_their_rate(listed: Listed, faulty: FaultyRun) -> None:
    inverted, far = set(faulty.data.inverted), rows(listed, kind="far")
    assert inverted <= set(far)
    assert len(far) < 3 * INVERTED  # few others
    assert len(inverted & set(rows(listed, sort="rate")[:INVERTED])) >= 0.9 * INVERTED


def test_the_means_per_class_are_those_of_numpy(listed: Listed) -> None:
    means = {one.name: one for one in class_means(listed)}
    assert list(means) == ["all", *"0123456789"]
    assert means["all"].n == 4800 == sum(means[name].n for name in "0123456789")
    sevens = listed.scores.rate[listed.labels == 7].astype(float)
    assert means["7"].rate == pytest.approx((sevens.mean(), sevens.std(ddof=1) / len(sevens) ** 0.5), abs=1e-6)
    elbo = -(means["7"].rate[0] + means["7"].distortion[0])
    assert means["7"].elbo[0] == pytest.approx(elbo, abs=1e-3)
    assert means["7"].log_px is None


def test_the_command_lists_what_the_page_lists(listed: Listed, faulty: FaultyRun) -> None:
    done = command("suspects", str(faulty.path), "--kind", "blank", "--sort", "row", "--json")
    answer = json.loads(done.stdout)
    assert (answer["found"], answer["n"]) == (BLANK, 4800)
    assert [image["row"] for image in answer["images"]] == sorted(faulty.data.blank)
    lines = command("suspects", str(faulty.path), "--limit", "3").stdout.decode().splitlines()
    assert lines[0] == "4,800 of 4,800 images (train), by neighbours with another label; nats"
    assert [int(line.split()[0]) for line in lines[2:]] == rows(listed)[:3]

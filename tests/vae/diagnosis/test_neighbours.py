"""Neighbours, the two-sample test that they give, and what is read out of codes: against known answers."""

from __future__ import annotations

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from torch import Generator, Tensor

from vae.diagnosis.neighbours import nearest, two_sample_accuracy
from vae.diagnosis.readout import NEIGHBOURS, RIDGE, read_out


def uniform(seed: int, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=Generator().manual_seed(seed))


def test_neighbours_are_those_of_scikit_learn() -> None:
    of, among = uniform(0, 700, 1, 2, 3), uniform(1, 90, 1, 2, 3)
    distances, rows = nearest(of, among, 4)
    expected, places = NearestNeighbors(n_neighbors=4).fit(among.flatten(1)).kneighbors(of.flatten(1))
    torch.testing.assert_close(distances.double(), torch.from_numpy(expected), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(rows, torch.from_numpy(places))
    own = nearest(among, among, themselves=True)
    assert (own[0] > 1e-3).all()
    assert (own[1].squeeze(1) != torch.arange(90)).all()


@pytest.mark.parametrize(("shift", "expected"), [(0.0, 0.5), (0.5, 0.75), (1.5, 1.0)])
def test_the_two_sample_test_on_a_line(shift: float, expected: float) -> None:
    """Uniform on [0, 1] and on [s, 1 + s]: right by half where both are, and always elsewhere."""
    told = two_sample_accuracy(uniform(0, 3000, 1), uniform(1, 3000, 1) + shift)
    assert told.value == pytest.approx(expected, abs=4 * told.error + 1e-3)
    assert told.error == pytest.approx(0.0065, abs=2e-3) or expected == 1.0


def test_labels_are_read_out_as_scikit_learn_reads_them() -> None:
    generator = Generator().manual_seed(0)
    centres = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
    labels, truth = (torch.randint(3, (n,), generator=generator) for n in (600, 400))
    z, judged = (centres[y] + torch.randn(len(y), 2, generator=generator) for y in (labels, truth))
    told = read_out(z, labels, judged, truth, lambda: None)
    neighbours = KNeighborsClassifier(NEIGHBOURS).fit(z, labels).score(judged, truth)
    assert told.neighbours.value == pytest.approx(neighbours, abs=2 / 400)  # ties are broken otherwise
    mean, spread = z.mean(0), z.std(0)
    fit = LogisticRegression(C=1 / (2 * RIDGE * len(z)), tol=1e-8).fit((z - mean) / spread, labels)
    assert told.linear.value == pytest.approx(fit.score((judged - mean) / spread, truth), abs=1 / 400)
    assert told.linear.error == pytest.approx((told.linear.value * (1 - told.linear.value) / 400) ** 0.5)
    assert told.majority == pytest.approx(float((truth == labels.bincount().argmax()).double().mean()))

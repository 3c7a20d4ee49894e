"""Every likelihood's head in the page is torch's; one that is broken on purpose is found out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.vae.browser.page_heads import STATIC, page_agrees_with_torch
from vae.browser.decoder_export import HEADS
from vae.model.likelihoods import LIKELIHOODS

BROKEN = {  # a likelihood, what stands in heads.js, what is put there
    "shifted": ("gaussian", "scale * normal()", "scale * normal() + 0.05"),
    "too wide": ("gaussian", "Math.sqrt(0.5 / C)", "Math.sqrt(1 / C)"),
    "not in the data's units": ("gaussian", "location + spread * output + scale", "output + scale"),
    "mirrored": ("continuous-bernoulli", "l > 0 ? 1 - x : x", "l > 0 ? x : 1 - x"),
    "its own mean": ("continuous-bernoulli", "continuousBernoulliQuantile(l, uniform())", "continuousBernoulliMean(l)"),
    "another mean": ("continuous-bernoulli", "mean: () => continuousBernoulliMean", "mean: () => sigmoid"),
    "biased": ("bernoulli", "uniform() < sigmoid(l)", "uniform() < sigmoid(l) + 0.03"),
}


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_the_page_has_the_mean_and_the_draws_of_torch(name: str) -> None:
    cls = LIKELIHOODS[name]
    assert page_agrees_with_torch(cls) == ("page" if cls in HEADS else "server")


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_head_is_found_out(fault: str, tmp_path: Path) -> None:
    name, right, wrong = BROKEN[fault]
    folder = Path(shutil.copytree(STATIC, tmp_path / "decoder"))
    (tmp_path / "package.json").write_text('{"type": "module"}')
    source = (folder / "heads.js").read_text()
    assert right in source
    (folder / "heads.js").write_text(source.replace(right, wrong))
    with pytest.raises(AssertionError):
        page_agrees_with_torch(LIKELIHOODS[name], folder)

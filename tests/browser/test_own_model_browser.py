"""Two ONNX files and some images, dropped on Home in a real browser: sliders and map; what is none is refused there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect
from torch import nn

from tests.browser.conftest import Server
from tests.browser.watched import PATIENCE, Watched
from vae import load_run, runs
from vae.exchange.torch_export import export_decoder, export_encoder

pytestmark = [pytest.mark.browser, pytest.mark.slow]
COUNT, K = 30, 3


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A model of pixels from −1 to 1, 8 x 8 images in [0, 1], and a pickle."""
    torch.manual_seed(0)
    front = nn.Sequential(nn.Flatten(), nn.Linear(64, 2 * K))
    back = nn.Sequential(nn.Linear(K, 64), nn.Unflatten(1, (1, 8, 8)), nn.ConvTranspose2d(1, 1, 3, 1, 1), nn.Tanh())
    made = {name: tmp_path / name for name in ("front.onnx", "back.onnx", "x.npz", "pickled.pt")}
    made["front.onnx"].write_bytes(export_encoder(front, (1, 8, 8)))
    made["back.onnx"].write_bytes(export_decoder(back, K))
    x = np.random.default_rng(0).random((COUNT, 8, 8)).astype(np.float32)
    np.savez(made["x.npz"], images=x, labels=np.arange(COUNT) % 3)
    torch.save(back, made["pickled.pt"])
    return made


def drop(page: Page, *files: Path) -> None:
    page.get_by_text("Open a model of yours").click()
    page.locator("input[type=file]").first.set_input_files(list(files))
    expect(page.get_by_text(f"There: {files[0].name}")).to_be_visible()


def test_two_files_and_images_become_sliders_and_a_map(server: Server, window: Watched, files: dict[str, Path]) -> None:
    page = window.page()
    page.goto(server.url)
    drop(page, files["front.onnx"], files["back.onnx"], files["x.npz"])
    low = page.get_by_label("Pixels from")
    low.fill("-1")
    low.press("Enter")
    noise = page.get_by_role("spinbutton", name="C = 1/(2c)")
    noise.fill("20")
    noise.press("Enter")
    page.get_by_role("button", name="Open it").click()
    page.wait_for_url("**/explore?run=my-model")
    expect(page.get_by_role("slider")).to_have_count(K)
    run = load_run(server.runs / "my-model")
    assert (run.config.C, run.config.likelihood, run.data["test"], run.data["limits"]) == (
        20,
        "gaussian",
        COUNT,
        [-1, 1],
    )
    page.goto(f"{server.url}/map?run=my-model")
    expect(page.get_by_text(f"{COUNT} held-out images of your images")).to_be_visible()
    answer = page.request.get(f"{server.url}/runs/my-model/decode?z=0.5,-1,2", timeout=1000 * PATIENCE)
    pixels = np.frombuffer(answer.body(), np.uint8).reshape(8, 8)
    with torch.no_grad():
        mean = run.model.decode(torch.tensor([[0.5, -1, 2]])).mean
    np.testing.assert_allclose(pixels, ((mean[0, 0] + 1) / 2 * 255).numpy(), atol=0.51)
    page.goto(server.url)
    page.get_by_role("link", name="Open", exact=True).click()
    page.wait_for_url("**/explore?run=my-model")  # it has no curves to be opened with


def test_a_pickle_is_refused_on_the_page_and_leaves_nothing(
    server: Server, window: Watched, files: dict[str, Path]
) -> None:
    page = window.page()
    page.goto(server.url)
    drop(page, files["pickled.pt"], files["front.onnx"], files["x.npz"])
    page.get_by_role("button", name="Open it").click()
    expect(page.get_by_text("a pickle of torch.save: opening it would run code")).to_be_visible()
    assert runs.list_runs(server.runs) == []

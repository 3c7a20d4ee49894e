"""Animations hold the very pixels that the model decodes, move as they say, and end in time."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from tests.oracles.latent_geometry import slerp
from vae import runs
from vae.datasets.scale import to_bytes
from vae.exports import animation
from vae.exports.animation import LINE, MARGIN, Frame, Sheet, drawn, packed
from vae.exports.export import Stopped, unheard
from vae.exports.gif import GIF, INTERPOLATION, TRAINING, TRAVERSAL, frames_of
from vae.exports.sweeping import REACH, chosen_dimensions, flips, one_of_each, rates_of, spherical, through_dimensions
from vae.runs import Run
from vae.runs.moments import list_moments, model_at

DEMOS = Path(__file__).resolve().parents[3] / "checkpoints"
TOP = MARGIN + LINE  # where the images begin
Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def digits() -> Run:
    return runs.load_run(DEMOS / "demo-digits-2d")


def opened(path: Path, kind: str = "L") -> tuple[list[Pixels], list[int]]:
    """The frames of a file that begins anew at its end, and how long each is seen, milliseconds."""
    frames, durations = [], []
    with Image.open(path) as image:
        assert image.info["loop"] == 0
        for place in range(image.n_frames):  # type: ignore[attr-defined]
            image.seek(place)
            frames.append(np.asarray(image.convert(kind)))
            durations.append(image.info["duration"])
    return frames, durations


def enlarged(images: Pixels, times: int) -> Pixels:
    return images.repeat(times, -2).repeat(times, -1)


def test_a_traversal_decodes_each_dimension_in_turn(digits: Run, tmp_path: Path) -> None:
    facts = GIF.write(digits, TRAVERSAL, tmp_path / "a.gif", unheard)
    frames, durations = opened(tmp_path / "a.gif")
    rates = rates_of(digits)
    assert rates is not None
    first = int(np.argmax(rates))
    z = torch.zeros(48, 2)
    z[:, first] = REACH * torch.sin(2 * torch.pi * torch.arange(48) / 48)
    pixels = to_bytes(digits.model.decode(z).mean, (0.0, 1.0)).numpy()[:, 0]
    for frame, wanted in zip(frames[:48], pixels, strict=True):
        np.testing.assert_array_equal(frame[TOP : TOP + 256, MARGIN : MARGIN + 256], enlarged(wanted, 32))
    assert sum(durations) / 1000 == pytest.approx(facts["seconds"])
    assert facts["seconds"] <= 10


def test_an_interpolation_ends_at_the_codes_of_its_images(digits: Run, tmp_path: Path) -> None:
    GIF.write(digits, INTERPOLATION, tmp_path / "a.gif", unheard)
    frames, durations = opened(tmp_path / "a.gif")
    data = digits.dataset()
    x = data.to_float(data.test)
    assert data.test_labels is not None
    chosen = one_of_each(data.test_labels.numpy(), len(x), 6)
    assert [int(data.test_labels[i]) for i in chosen] == [0, 1, 2, 3, 4, 5]
    decoded = to_bytes(digits.model.decode(digits.model.encode(x[chosen]).mean).mean, (0.0, 1.0)).numpy()[:, 0]
    held = [frame for frame, duration in zip(frames, durations, strict=True) if duration > 40]
    assert len(held) == 6
    left = MARGIN + 256 + MARGIN
    for frame, wanted in zip(held, np.roll(decoded, -1, 0), strict=True):
        np.testing.assert_array_equal(frame[TOP : TOP + 256, left : left + 256], enlarged(wanted, 32))
    original = to_bytes(x[chosen[:1]], (0.0, 1.0)).numpy()[0, 0]
    np.testing.assert_array_equal(frames[0][TOP : TOP + 256, MARGIN : MARGIN + 256], enlarged(original, 32))
    assert sum(durations) <= 10_000


def test_a_training_shows_every_moment(digits: Run, tmp_path: Path) -> None:
    facts = GIF.write(digits, TRAINING, tmp_path / "a.gif", unheard)
    frames, durations = opened(tmp_path / "a.gif")
    moments = list_moments(digits.path)
    assert facts["frames"] == len(frames) == len(moments) == 20
    assert sum(durations) <= 10_000
    data = digits.dataset()
    assert data.test_labels is not None
    x = data.to_float(data.test[one_of_each(data.test_labels.numpy(), len(data.test), 8)])
    second = TOP + 96 + LINE + 6
    for frame, moment in ((frames[0], moments[0]), (frames[-1], moments[-1])):
        model = model_at(digits.path, moment.step)
        z = model.encode(x).sample((), torch.Generator().manual_seed(0))
        wanted = to_bytes(model.decode(z).mean, (0.0, 1.0)).numpy()[:, 0]
        for place, image in enumerate(wanted):
            left = MARGIN + 9 * 12 * place
            np.testing.assert_array_equal(frame[second : second + 96, left : left + 96], enlarged(image, 12))
    words = [frame.words for frame in frames_of(digits, TRAINING, unheard)]
    assert words[-1].endswith(f"step 3,368   C = {moments[-1].C:.3g}")


def test_bits_are_flipped_one_after_another() -> None:
    run = runs.load_run(DEMOS / "demo-digits-8bits")
    frames = list(frames_of(run, TRAVERSAL, unheard))
    assert len(frames) == 16
    assert [frame.words == "the code of an image" for frame in frames] == [True, False] * 8
    a, b = np.array([0, 1, 1, 0, 0], np.float32), np.array([1, 1, 0, 0, 1], np.float32)
    way = flips(a, b, [4, 3, 2, 1, 0], 10)
    assert [code.tolist() for _, code in way] == [[0, 1, 1, 0, 0], [0, 1, 1, 0, 1], [0, 1, 0, 0, 1], b.tolist()]
    assert [code.tolist() for _, code in flips(a, b, [4, 3, 2, 1, 0], 1)] == [a.tolist(), b.tolist()]
    assert [t for t, _ in flips(a, a, range(5), 10)] == [0.0, 1.0]


def test_the_way_is_the_one_that_explore_takes() -> None:
    random = np.random.default_rng(0)
    for a, b in random.standard_normal((20, 2, 5)).astype(np.float32):
        for t in (0.0, 0.3, 1.0):
            np.testing.assert_allclose(spherical(a, b, t), slerp(a, b, t), rtol=1e-5, atol=1e-6)
    zero, one = np.zeros(2, np.float32), np.array([1, 0], np.float32)
    np.testing.assert_allclose(spherical(zero, one, 0.25), [0.25, 0])
    np.testing.assert_allclose(np.linalg.norm(spherical(one, -one, 0.5)), 1, rtol=1e-6)


def test_dimensions_that_carry_nothing_are_left_out() -> None:
    assert chosen_dimensions([0.5, 0.001, 2.0], 3) == [2, 0]
    assert chosen_dimensions([0.001, 0.002], 2) == [1]
    assert chosen_dimensions(None, 12) == list(range(10))
    ways = through_dimensions([2, 0], [0.5, 0.0, 2.0], 3, 4)
    assert [stop.words for stop in ways[:2]] == ["z2 = +0.00   2.00 nats", "z2 = +2.50   2.00 nats"]
    np.testing.assert_allclose([stop.z[2] for stop in ways[:4]], [0, 2.5, 0, -2.5], atol=1e-6)


def test_colours_have_no_bands_and_a_large_file_loses_frames(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 256).astype(np.uint8)
    image = np.stack([np.tile(ramp, (64, 1)), np.tile(ramp[::-1], (64, 1)), np.full((64, 256), 128, np.uint8)])
    pictures = [drawn(Frame([Sheet("ramp", np.roll(image, i, 2)[None])], "", 50), 256) for i in range(16)]
    assert pictures[0].mode == "RGB"
    (tmp_path / "a.gif").write_bytes(whole := packed(pictures, [50] * 16, lambda share: None))
    first = opened(tmp_path / "a.gif", "RGB")[0][0][TOP : TOP + 64, MARGIN : MARGIN + 256]
    assert np.abs(first.astype(float).mean(0) - image.transpose(1, 2, 0)[0]).max() < 8
    monkeypatch.setattr(animation, "MOST_BYTES", int(0.6 * len(whole)))
    (tmp_path / "b.gif").write_bytes(packed(pictures, [50] * 16, lambda share: None))
    frames, durations = opened(tmp_path / "b.gif")
    assert (len(frames), sum(durations)) == (8, 800)


def test_a_large_image_is_reduced() -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 1, 300, 200)).astype(np.uint8)
    picture = np.asarray(drawn(Frame([Sheet("", image)], "", 40), 150))
    exact = image[0, 0].reshape(150, 2, 100, 2).mean((1, 3))
    np.testing.assert_allclose(picture[TOP : TOP + 150, MARGIN : MARGIN + 100], exact, atol=1)


def test_what_cannot_be_is_a_sentence_and_stopped_work_leaves_nothing(digits: Run, tmp_path: Path) -> None:
    assert "without moments" in GIF.why_not(runs.load_run(DEMOS / "demo-mnist-10d"), TRAINING)
    run = runs.load_run(shutil.copytree(digits.path, tmp_path / "demo"))
    (run.path / "weights.safetensors").unlink()
    assert "no weights" in GIF.why_not(run, TRAVERSAL)
    assert json.loads((run.path / "moments/index.json").read_text())
    assert GIF.why_not(run, TRAINING) == ""

    def stop(share: float, words: str) -> None:
        if words == "writing frames":
            raise Stopped

    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(Stopped):
        GIF.write(digits, TRAVERSAL, folder / "a.gif", stop)
    assert list(folder.iterdir()) == []

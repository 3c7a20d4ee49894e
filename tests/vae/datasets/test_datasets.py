"""Registered datasets: counts, splits, supports, binarised views, damage."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.newcomers import Stripes
from tests.vae.contracts_places import dataset_is_what_it_says
from vae.datasets import DATASETS, DataInfo, Dataset, Progress, data_root, describe, load_dataset
from vae.datasets.dataset import split_indices
from vae.datasets.registered import DSprites
from vae.errors import ConfigError, DataError

KEPT = Path(__file__).resolve().parents[4] / "shared" / "data"
COUNTS = {
    "digits": (1437, 360),
    "mnist": (60_000, 10_000),
    "fashion-mnist": (60_000, 10_000),
    "kmnist": (60_000, 10_000),
    "binarized-mnist": (50_000, 10_000),
    "dsprites": (36_864, 9_216),
}


@pytest.fixture
def data_folder() -> Path:
    if not KEPT.is_dir():
        pytest.skip(f"the real images are not at {KEPT}")
    return KEPT


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits")


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# registered sets


@pytest.mark.parametrize("name", DATASETS)
def test_loaded_set_is_what_its_description_says(name: str, data_folder: Path) -> None:
    if not DATASETS[name].is_here(data_folder):
        pytest.skip(f"{name} is not among the real images here")
    dataset_is_what_it_says(name, DATASETS[name], data_folder)


@pytest.mark.parametrize("name", COUNTS)
def test_the_published_counts(name: str) -> None:
    info = describe(name)
    assert (info.train, info.test) == COUNTS[name]


class Shifted(Stripes):
    """Black is not black: the values are a part of the scale."""

    def load(self, root: Path, progress: Progress) -> Dataset:
        data = super().load(root, progress)
        return dataclasses.replace(data, train=data.train // 2, test=data.test // 2)


class Leaking(Stripes):
    """Held-out images are training images."""

    def load(self, root: Path, progress: Progress) -> Dataset:
        data = super().load(root, progress)
        assert data.train_labels is not None
        few = slice(0, len(data.test))
        labels, rows = data.train_labels[few], data.train_rows[few]
        return dataclasses.replace(data, test=data.train[few], test_labels=labels, test_rows=rows)


class Moody(Stripes):
    """Another split each time."""

    def load(self, root: Path, progress: Progress) -> Dataset:
        data = super().load(root, progress)
        order = torch.randperm(192)
        return dataclasses.replace(data, train=data.train[order], train_rows=data.train_rows[order])


def test_a_newcomers_dataset_is_what_it_says_and_a_broken_one_is_found_out(tmp_path: Path) -> None:
    dataset_is_what_it_says("stripes", Stripes(), tmp_path)
    for broken in (Shifted(), Leaking(), Moody()):
        with pytest.raises(AssertionError):
            dataset_is_what_it_says("stripes", broken, tmp_path)


def test_label_counts_are_the_published_ones(data_folder: Path) -> None:
    fashion, mnist = (load_dataset(name, data_folder) for name in ("fashion-mnist", "mnist"))
    assert (mnist.train_rows == torch.arange(60_000)).all()
    assert mnist.rows_of("test") == "mnist, test"
    assert mnist.info.digest != fashion.info.digest is not None
    assert torch.bincount(fashion.train_labels).tolist() == [6000] * 10
    assert torch.bincount(mnist.test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_binarized_mnist_shows_the_published_images_in_mixed_order(data_folder: Path) -> None:
    data = load_dataset("binarized-mnist", data_folder)
    with np.load(data_folder / "binarized_mnist" / "binarized_mnist.npz") as published:
        test = published["test"]
    mine, theirs = (
        np.sort(np.packbits(x.reshape(10_000, -1), axis=1).view("V98").ravel()) for x in (data.test.numpy(), test)
    )
    assert (mine == theirs).all()
    assert (data.test.numpy()[:, 0] == test[data.test_rows.numpy()]).all()
    assert (data.rows_of("train"), data.rows_of("test")) == ("binarized-mnist, train", "binarized-mnist, test")
    first = data.to_float(data.test[:1000]).mean()
    assert float(first) == pytest.approx(test.mean(), rel=0.03)  # the published order starts with the zeros: 0.17


def test_dsprites_labels_are_shapes_and_fit_the_images(data_folder: Path) -> None:
    data = load_dataset("dsprites", data_folder)
    assert data.classes == ("square", "ellipse", "heart")
    assert torch.bincount(torch.cat([data.train_labels, data.test_labels])).tolist() == [15_360] * 3
    area = [data.test[data.test_labels == shape].float().sum(dim=(1, 2, 3)).max().item() for shape in range(3)]
    with np.load(data_folder / "dsprites" / "dsprites_downsampled.npz") as published:
        images, factors = published["imgs"], published["latents_classes"]  # each unpacked once
    rows = data.test_rows.numpy()
    assert (data.test.numpy()[:, 0] == images[rows]).all()
    assert (data.test_labels.numpy() == factors[rows, 0]).all()
    whole, shapes = images[5 * 2560 : 6 * 2560], factors[5 * 2560 : 6 * 2560, 0]
    assert set(shapes) == {0}
    assert area[0] == whole.sum(axis=(1, 2)).max()


def test_full_dsprites_is_described_where_only_its_file_is(tmp_path: Path) -> None:
    assert DSprites().describe(tmp_path).train == 36_864
    folder = tmp_path / "dsprites"
    folder.mkdir()
    (folder / "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz").touch()
    info = DSprites().describe(tmp_path)
    assert (info.train, info.test) == (727_280, 10_000)


def test_digits_equal_scikit_learns_and_vary_by_4_69_per_image(digits: Dataset) -> None:
    from sklearn.datasets import load_digits

    published = load_digits()
    train, test = split_indices(1797)
    images = torch.from_numpy(published.images).to(torch.uint8).unsqueeze(1)
    assert torch.equal(digits.train, images[train])
    assert torch.equal(digits.test, images[test])
    assert digits.test_labels.tolist() == published.target[test].tolist()
    assert (digits.train_rows.tolist(), digits.test_rows.tolist()) == (train.tolist(), test.tolist())
    assert digits.rows_of("test") == "digits"
    x = digits.to_float(torch.cat([digits.train, digits.test])).double()
    assert float(x.var(dim=0, correction=0).sum()) == pytest.approx(4.693, abs=0.001)


def test_digits_and_a_run_open_without_scikit_learn_torchvision_or_sympy() -> None:
    code = (
        "import sys; from vae.datasets import load_dataset; from vae.runs import load_run; load_dataset('digits'); "
        "load_run('checkpoints/demo-digits-2d').model; "
        "print({'sklearn', 'torchvision', 'scipy', 'sympy'} & set(sys.modules))"
    )
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(("count", "held_out"), [(10, 2), (1797, 360), (46_080, 9_216), (737_280, 10_000)])
def test_split_is_disjoint_complete_and_a_fifth(count: int, held_out: int) -> None:
    train, test = split_indices(count)
    assert len(test) == held_out
    assert (np.sort(np.concatenate([train, test])) == np.arange(count)).all()


def test_split_is_the_same_for_ever(digits: Dataset) -> None:
    assert split_indices(12)[1].tolist() == [7, 2, 9]
    assert digits.test_labels[:12].tolist() == [5, 0, 0, 0, 1, 3, 6, 5, 6, 6, 3, 6]
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    assert torch.equal(load_dataset("digits").train, digits.train)


# binarised views


def test_threshold_is_at_least_one_half(digits: Dataset) -> None:
    data = load_dataset("digits", binarize="threshold")
    assert torch.equal(data.train, (digits.train >= 8).to(torch.uint8))
    assert (data.support, data.scale) == ("binary", 1)
    assert data.info == describe("digits", binarize="threshold")
    assert torch.equal(data.to_float(data.test), (digits.to_float(digits.test) >= 0.5).float())


def test_threshold_on_255_levels_is_128(tmp_path: Path) -> None:
    images = np.arange(12 * 4 * 6, dtype=np.int64).reshape(12, 4, 6) % 256
    np.save(tmp_path / "levels.npy", images.astype(np.uint8))
    grey, binary = (load_dataset(tmp_path / "levels.npy", binarize=b) for b in ("none", "threshold"))
    assert torch.equal(binary.train, (grey.train >= 128).to(torch.uint8))


def test_fixed_is_one_draw_of_the_datasets_own(digits: Dataset) -> None:
    torch.manual_seed(1)
    first = load_dataset("digits", binarize="fixed")
    torch.manual_seed(2)
    second = digits.binarized("fixed")
    assert torch.equal(first.train, second.train)
    assert torch.equal(first.test, second.test)
    assert int(first.train.max()) == 1
    assert first.scale == 1
    assert int(first.train.sum()) == 28_062  # the same with every version of NumPy and torch
    grey, drawn = digits.to_float(digits.train), first.to_float(first.train)
    assert float(drawn.mean()) == pytest.approx(float(grey.mean()), abs=4 * 0.4 / (1437 * 64) ** 0.5)
    assert bool((drawn[grey == 0] == 0).all())
    assert bool((drawn[grey == 1] == 1).all())


def test_epoch_redraws_training_images_with_the_given_generator(digits: Dataset) -> None:
    data = load_dataset("digits", binarize="epoch")
    assert (data.support, data.scale) == ("binary", 16)
    assert data.info == describe("digits", binarize="epoch")
    assert torch.equal(data.train, digits.train)

    def draw(seed: int) -> torch.Tensor:
        return data.to_float(data.train, torch.Generator().manual_seed(seed))

    assert torch.equal(draw(0), draw(0))
    assert not torch.equal(draw(0), draw(1))
    assert set(draw(0).unique().tolist()) == {0.0, 1.0}
    mean, grey = torch.stack([draw(seed) for seed in range(100)]).mean(dim=0), digits.to_float(data.train)
    assert float((mean - grey).square().mean()) == pytest.approx(float((grey * (1 - grey)).mean()) / 100, rel=0.02)
    assert torch.equal(mean[grey == 0], grey[grey == 0])
    assert torch.equal(mean[grey == 1], grey[grey == 1])


def test_epoch_leaves_held_out_images_at_the_fixed_draw(digits: Dataset) -> None:
    epoch, fixed = digits.binarized("epoch"), digits.binarized("fixed")
    expected = fixed.to_float(fixed.test)
    for seed in range(3):
        assert torch.equal(epoch.to_float(epoch.test, torch.Generator().manual_seed(seed)), expected)
    assert set(epoch.test.unique().tolist()) == {0, 16}


def test_binarised_mnist_keeps_the_grey_mean(data_folder: Path) -> None:
    grey, epoch = (load_dataset("mnist", data_folder, binarize) for binarize in ("none", "epoch"))
    drawn = epoch.to_float(epoch.train[:10_000], torch.Generator().manual_seed(0))
    assert float(drawn.mean()) == pytest.approx(float(grey.to_float(grey.train[:10_000]).mean()), abs=4e-4)
    assert float(epoch.to_float(epoch.test).mean()) == pytest.approx(float(grey.to_float(grey.test).mean()), abs=4e-4)


def test_grey_floats_can_be_binarised(tmp_path: Path) -> None:
    np.save(tmp_path / "grey.npy", random().random((50, 5, 4)))
    epoch, fixed = (load_dataset(tmp_path / "grey.npy", binarize=b) for b in ("epoch", "fixed"))
    assert epoch.train.dtype == torch.float32
    assert fixed.train.dtype == torch.uint8
    assert torch.equal(epoch.to_float(epoch.test), fixed.to_float(fixed.test))
    assert set(epoch.to_float(epoch.train).unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("binarize", ["threshold", "fixed", "epoch"])
def test_binary_and_real_data_have_no_binarised_view(binarize: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "real.npz", x=random().normal(size=(20, 3, 3)), support="real")
    for call in (describe, load_dataset):
        with pytest.raises(ConfigError, match=r"binary already, its only view is none"):
            call("dsprites", tmp_path, binarize=binarize)
        with pytest.raises(ConfigError, match=r"real.npz, whose values are real numbers"):
            call(tmp_path / "real.npz", binarize=binarize)
    with pytest.raises(ConfigError, match=r"expected one of none, threshold, fixed, epoch, got 'dither'"):
        describe("digits", binarize="dither")


# descriptions and places


def test_description_survives_json() -> None:
    for name in DATASETS:
        info = describe(name)
        assert DataInfo.from_json(json.loads(json.dumps(info.to_json()))) == info
    assert describe("digits").pixels == 64
    known = {"name", "shape", "support", "scale", "train", "test", "classes"}
    assert set(describe("digits").to_json()) == known | {"path", "digest", "limits", "spread"}
    old = {name: value for name, value in describe("digits").to_json().items() if name in known}
    assert DataInfo.from_json(old) == describe("digits")  # from before there were paths, digests, limits
    told = dataclasses.replace(describe("digits"), limits=(-1.0, 3.5), spread=4.25)
    read = DataInfo.from_json(json.loads(json.dumps(told.to_json())))
    assert (read.limits, read.spread) == (told.limits, told.spread)
    assert (DataInfo.from_json(old).limits, DataInfo.from_json(old).spread) == ((0.0, 1.0), 1.0)
    for broken in (
        {},
        {**describe("digits").to_json(), "shape": [8, 8]},
        {**describe("digits").to_json(), "support": 1},
        {**describe("digits").to_json(), "limits": [1, 1]},
        {**describe("digits").to_json(), "limits": 3},
    ):
        with pytest.raises(DataError, match=r"description of the data"):
            DataInfo.from_json(broken)


def test_data_root_is_the_users_choice_or_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ELBO_ROOM_DATA", str(tmp_path))
    assert data_root() == tmp_path
    monkeypatch.delenv("ELBO_ROOM_DATA")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert data_root() == tmp_path / "cache" / "elbo-room"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert data_root() == Path.home() / ".cache" / "elbo-room"


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError) as error:
        load_dataset("mnits")
    known = ", ".join(DATASETS)
    assert str(error.value) == f"dataset: expected one of {known}, or an .npz or .npy file, got 'mnits'"


# a registered set's files, damaged


@pytest.fixture
def fashion_copy(data_folder: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for file in (data_folder / "FashionMNIST" / "raw").iterdir():
        shutil.copyfile(file, folder / file.name)
    return folder


def test_one_flipped_byte_in_a_registered_set_is_noticed(fashion_copy: Path) -> None:
    file = fashion_copy / "t10k-images-idx3-ubyte"
    content = bytearray(file.read_bytes())
    content[1234567] ^= 1
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte: altered .*SHA-256.*delete it to download it again"):
        load_dataset("fashion-mnist", fashion_copy.parents[1])
    assert file.read_bytes() == bytes(content)  # a whole file is refused, never replaced


def test_damaged_npz_of_a_registered_set_is_noticed(data_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "binarized_mnist"
    folder.mkdir()
    content = bytearray((data_folder / "binarized_mnist" / "binarized_mnist.npz").read_bytes())
    content[1_000_000] ^= 1
    for damaged in (content, content[: len(content) // 2]):
        (folder / "binarized_mnist.npz").write_bytes(damaged)
        with pytest.raises(DataError, match=r"binarized_mnist.npz: cut off, damaged"):
            load_dataset("binarized-mnist", tmp_path)
    np.savez(
        folder / "binarized_mnist.npz", train=np.zeros((5, 28, 28), np.uint8), test=np.zeros((5, 28, 28), np.uint8)
    )
    with pytest.raises(DataError, match=r"train: expected images of shape \(50000, 1, 28, 28\), got \(5, 1, 28, 28\)"):
        load_dataset("binarized-mnist", tmp_path)


def test_data_outside_the_declared_support_are_refused() -> None:
    info = DataInfo("made", (1, 2, 2), "unit", 16, 3, 2)
    good, bad = torch.full((3, 1, 2, 2), 16, dtype=torch.uint8), torch.full((2, 1, 2, 2), 17, dtype=torch.uint8)
    with pytest.raises(DataError, match=r"made, test: expected values from 0 to 16, got 17 to 17"):
        Dataset(info, good, bad)
    with pytest.raises(DataError, match=r"made, test: expected images of shape \(2, 1, 2, 2\), got \(3, 1, 2, 2\)"):
        Dataset(info, good, good)
    real = DataInfo("made", (1, 2, 2), "real", 1, 3, 3)
    with pytest.raises(DataError, match=r"made, train: expected finite values"):
        Dataset(real, torch.full((3, 1, 2, 2), torch.nan), torch.zeros(3, 1, 2, 2))

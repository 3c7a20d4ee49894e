"""The datasets that have a name, and where each comes from. A new one: a `Source` here and one line at the foot."""

from __future__ import annotations

import functools
import gzip
import importlib.util
import shutil
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vae.datasets.dataset import DataInfo, Dataset, Source, held_out_count, mixed, split
from vae.datasets.downloads import Progress, Remote, checksum, fetch
from vae.datasets.identity import identified
from vae.datasets.npz import read_npz
from vae.errors import DataError

_IDX_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_GARMENTS = (
    "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"
)  # fmt: skip
_KANA = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")


class Digits(Source):
    """8x8 grey digits in 17 levels, embedded in scikit-learn (Alpaydin and Kaynak 1998): works offline at once."""

    # By archive.ics.uci.edu/dataset/80 (doi 10.24432/C50P49); scikit-learn has a copy of its test part.
    credit = "handwritten digits of E. Alpaydin and C. Kaynak (UCI, 1998), as scikit-learn has them; CC BY 4.0."

    def describe(self, root: Path) -> DataInfo:
        return DataInfo("digits", (1, 8, 8), "unit", 16, 1437, 360, tuple("0123456789"))

    def load(self, root: Path, progress: Progress) -> Dataset:
        table = self._table()
        images = table[:, :64].reshape(-1, 1, 8, 8).astype(np.uint8)
        labels = table[:, 64].astype(np.int64)
        return split(identified(self.describe(root), images, labels), images, labels)

    def is_here(self, root: Path) -> bool:
        return True

    @staticmethod
    @functools.cache  # 0.1 MB; each reading takes 30 ms
    def _table() -> np.ndarray:
        """(1797, 65): pixels and label. Read without importing scikit-learn, which takes longer than the training."""
        package = importlib.util.find_spec("sklearn")
        file = Path(package.origin or "").parent / "datasets" / "data" / "digits.csv.gz" if package else Path()
        if file.is_file():
            with gzip.open(file, "rt", encoding="ascii") as lines:
                return np.loadtxt(lines, delimiter=",").astype(np.uint8)
        from sklearn.datasets import load_digits  # the file has moved

        digits = load_digits()
        return np.column_stack([digits.data, digits.target]).astype(np.uint8)


@dataclass(frozen=True)
class TorchvisionSet(Source):
    """MNIST and its kin: four idx files in torchvision's layout, fetched from the mirrors with the MD5 that it lists.

    torchvision's own download is not used: it is neither atomic nor safe against a second process, waits for ever on a
    silent server and cannot tell its progress. sha256: of the unpacked files, checked at each load where known.
    """

    info: DataInfo
    cls: str  # torchvision's class, which is also the folder
    sizes: tuple[int, ...]  # of the packed files, for progress
    sha256: tuple[str, ...] = ()
    credit: str = ""

    def describe(self, root: Path) -> DataInfo:
        return self.info

    def load(self, root: Path, progress: Progress) -> Dataset:
        folder = root / self.cls / "raw"
        if self._incomplete(folder):
            fetch(self.info.name, root, folder, lambda: self._remotes(folder), _gunzip, progress)
        x, y, x_test, y_test = (self._read(folder, name) for name in _IDX_FILES)
        info = identified(self.info, *(part.numpy() for part in (x, y, x_test, y_test)))
        y, y_test = y.to(torch.int64), y_test.to(torch.int64)
        return Dataset(info, x.unsqueeze(1), x_test.unsqueeze(1), y, y_test, arrays=("train", "test"))

    def is_here(self, root: Path) -> bool:
        return not self._incomplete(root / self.cls / "raw")

    def _shape(self, name: str) -> tuple[int, ...]:
        count = self.info.train if name.startswith("train") else self.info.test
        return (count, *self.info.shape[1:]) if "images" in name else (count,)

    def _incomplete(self, folder: Path) -> list[str]:
        """Files that are missing or shorter than they should be. A whole file is never replaced."""

        def whole(name: str) -> bool:
            shape, file = self._shape(name), folder / name
            return file.is_file() and file.stat().st_size >= 4 + 4 * len(shape) + int(np.prod(shape))

        return [name for name in _IDX_FILES if not whole(name)]

    def _remotes(self, folder: Path) -> list[Remote]:
        import torchvision.datasets  # takes a second; only a download needs it

        cls, incomplete = getattr(torchvision.datasets, self.cls), self._incomplete(folder)
        return [
            Remote(name, tuple(mirror + name for mirror in cls.mirrors), f"md5:{md5}", size)
            for (name, md5), size in zip(cls.resources, self.sizes, strict=True)
            if name.removesuffix(".gz") in incomplete
        ]

    def _read(self, folder: Path, name: str) -> torch.Tensor:
        """An idx file: 0, 0, 8 (unsigned byte), number of axes; big-endian sizes; the values."""
        file, shape = folder / name, self._shape(name)
        known = dict(zip(_IDX_FILES, self.sha256, strict=False)).get(name)
        try:
            altered = known is not None and checksum(file, "sha256") != f"sha256:{known}"
            values = np.fromfile(file, np.uint8)
        except OSError as error:
            raise DataError(f"{file}: cannot be read ({error.strerror}); check who may read it") from None
        if altered:
            raise DataError(f"{file}: altered (its SHA-256 is not the published one); delete it to download it again")
        header = struct.pack(f">4B{len(shape)}I", 0, 0, 8, len(shape), *shape)
        if values[: len(header)].tobytes() != header or len(values) != len(header) + np.prod(shape):
            raise DataError(f"{file}: expected an idx file of shape {shape}; delete it to download it again")
        return torch.from_numpy(values[len(header) :].reshape(shape))


def _gunzip(folder: Path) -> list[Path]:
    files = []
    for packed in folder.glob("*.gz"):
        files.append(packed.with_suffix(""))
        with gzip.open(packed) as source, open(files[-1], "wb") as target:
            shutil.copyfileobj(source, target)
    return files


class BinarizedMnist(Source):
    """MNIST drawn once as black and white, on which log-likelihoods are usually reported (Larochelle, Murray 2011).

    <root>/binarized_mnist/binarized_mnist.npz: uint8 `train` (50000, 28, 28) and `test` (10000, 28, 28); `valid` is not
    used. Made from the MATLAB files of github.com/mingzhang-yin/ARM-gradient. No labels. Kept in a fixed mixed order:
    the published test rows start with the zeros, and the first n of a dataset should be a fair sample.
    """

    credit = "MNIST (Y. LeCun, C. Cortes, C. Burges), binarised by H. Larochelle and I. Murray (2011); CC BY-SA 3.0."
    _FILE = "binarized_mnist.npz"
    _SHA256 = {
        "train": ("79a0312c7389d855cfc97e3812de3998417c5829d8a51543b56a90a91252ae7e", 2852060),
        "valid": ("7436afc856959075c7787025bb8a4ba2b520b9230ee39667c66aa7dd2819dd68", 571883),
        "test": ("5bc30222e1e7896cbccd1e1db6b28540cc1230f4d2d5473841a5f6cc54be8d38", 490132),
    }
    url = "https://raw.githubusercontent.com/mingzhang-yin/ARM-gradient/9b5f74da4e4009c5556e8d7a87c88c8e291c253d/"

    def describe(self, root: Path) -> DataInfo:
        return DataInfo("binarized-mnist", (1, 28, 28), "binary", 1, 50_000, 10_000, None)

    def load(self, root: Path, progress: Progress) -> Dataset:
        folder = root / "binarized_mnist"
        if not (folder / self._FILE).is_file():
            fetch("binarized-mnist", root, folder, lambda: self._remotes(folder), self._convert, progress)
        parts = read_npz(folder / self._FILE, ("train", "test"))
        found = [_entry(folder / self._FILE, parts, name) for name in ("train", "test")]
        rows = [torch.from_numpy(mixed(np.arange(len(images)))) for images in found]
        train, test = (torch.from_numpy(images)[row].unsqueeze(1) for images, row in zip(found, rows, strict=True))
        info = identified(self.describe(root), *found)
        return Dataset(info, train, test, train_rows=rows[0], test_rows=rows[1], arrays=("train", "test"))

    def is_here(self, root: Path) -> bool:
        return (root / "binarized_mnist" / self._FILE).is_file()

    def _remotes(self, folder: Path) -> list[Remote]:
        if (folder / self._FILE).is_file():
            return []
        names = {f"binarized_mnist_{part}.amat": entry for part, entry in self._SHA256.items()}
        return [Remote(name, (self.url + name,), f"sha256:{sha}", size) for name, (sha, size) in names.items()]

    def _convert(self, folder: Path) -> list[Path]:
        import scipy.io  # comes with scikit-learn

        parts = {
            part: scipy.io.loadmat(folder / f"binarized_mnist_{part}.amat", appendmat=False)["X"]
            for part in self._SHA256
        }
        np.savez_compressed(folder / self._FILE, **{part: x.reshape(-1, 28, 28) for part, x in parts.items()})
        return [folder / self._FILE]


class DSprites(Source):
    """White shapes on black with known factors (Matthey, Higgins, Hassabis, Lerchner 2017). Labels are the shape.

    <root>/dsprites/dsprites_downsampled.npz: all of 3 shapes x 6 scales x 10 orientations x 16 x 16 positions;
    from github.com/colleenjg/neuromatch_ssl_tutorial. The full set of 737,280 images is taken where only its file is
    there (dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz of github.com/google-deepmind/dsprites-dataset, put there by
    hand, 3 GB unpacked). Each file's pickled `metadata` is never read.
    """

    # By LICENSE in github.com/google-deepmind/dsprites-dataset; zlib/libpng is that of LÖVE, which drew the images.
    credit = "dSprites (L. Matthey, I. Higgins, D. Hassabis, A. Lerchner, 2017); Apache 2.0."
    _FILE = "dsprites_downsampled.npz"
    url = "https://raw.githubusercontent.com/colleenjg/neuromatch_ssl_tutorial/130380eb77e46a993489d7c6c89d0c9ee8ce3ed3/dsprites/"
    _SHA256 = "8a632f70c0dbd279dd771854981a3de945b2448eddbd9b2af59fb83e8728f871"

    def describe(self, root: Path) -> DataInfo:
        count = 46_080 if self._file(root).name == self._FILE else 737_280
        test = held_out_count(count)
        return DataInfo("dsprites", (1, 64, 64), "binary", 1, count - test, test, ("square", "ellipse", "heart"))

    def load(self, root: Path, progress: Progress) -> Dataset:
        file = self._file(root)
        if not file.is_file():
            fetch(
                "dsprites",
                root,
                file.parent,
                lambda: self._remotes(file),
                lambda folder: [folder / self._FILE],
                progress,
            )
        arrays = read_npz(file, ("imgs", "latents_classes"))
        images, factors = _entry(file, arrays, "imgs"), _entry(file, arrays, "latents_classes")
        labels = factors[:, -5].astype(np.int64)  # of shape, scale, orientation, x, y
        return split(identified(self.describe(root), images, labels), images[:, np.newaxis], labels)

    def is_here(self, root: Path) -> bool:
        return self._file(root).is_file()

    def _file(self, root: Path) -> Path:
        small = root / "dsprites" / self._FILE
        full = sorted((root / "dsprites").glob("dsprites_ndarray_*64x64.npz"))
        return full[0] if full and not small.is_file() else small

    def _remotes(self, file: Path) -> list[Remote]:
        return (
            [] if file.is_file() else [Remote(self._FILE, (self.url + self._FILE,), f"sha256:{self._SHA256}", 1341726)]
        )


def _entry(file: Path, arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    if name not in arrays or not arrays[name].size:
        raise DataError(
            f"{file}: expected an array named {name}, which is not there; delete the file to download it again"
        )
    return arrays[name]


DATASETS: dict[str, Source] = {
    "digits": Digits(),
    "mnist": TorchvisionSet(
        DataInfo("mnist", (1, 28, 28), "unit", 255, 60_000, 10_000, tuple("0123456789")),
        "MNIST",
        (9912422, 28881, 1648877, 4542),
        (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
        "MNIST (Y. LeCun, C. Cortes, C. Burges), made from databases of NIST; CC BY-SA 3.0.",
    ),
    "fashion-mnist": TorchvisionSet(
        DataInfo("fashion-mnist", (1, 28, 28), "unit", 255, 60_000, 10_000, _GARMENTS),
        "FashionMNIST",
        (26421880, 29515, 4422102, 5148),
        (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
        "Fashion-MNIST (H. Xiao, K. Rasul, R. Vollgraf, 2017), copyright Zalando SE; MIT licence.",
    ),
    "kmnist": TorchvisionSet(
        DataInfo("kmnist", (1, 28, 28), "unit", 255, 60_000, 10_000, _KANA),
        "KMNIST",
        (18165135, 29497, 3041136, 5120),
        # Licence and attribution as README.md in github.com/rois-codh/kmnist has them.
        credit="KMNIST Dataset (created by CODH; T. Clanuwat and others, 2018), adapted from Kuzushiji Dataset "
        "(created by NIJL and others), doi:10.20676/00000341; CC BY-SA 4.0.",
    ),
    "binarized-mnist": BinarizedMnist(),
    "dsprites": DSprites(),
}

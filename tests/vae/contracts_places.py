"""What every dataset and every projection keeps to; see tests/vae/contracts.py."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vae.datasets.dataset import DataInfo, Source
from vae.space.projection import LinearProjection, Projection

MAP = Path(__file__).resolve().parents[2] / "ui" / "static" / "map"
WORDS = """
import { aboutLayout } from "%s";
const method = JSON.parse(process.argv[1]);
const view = { method: method.name, i: 0, j: 1 };
const told = [false, true].map((bits) => aboutLayout({
  view, method, bits, source: "60 images", k: 4, plane: { explained: [0.5, 0.25] }, base: null, shaded: true,
  beneath: "off",
}));
console.log(JSON.stringify(told));
"""


# ---- projections


def codes_of_groups(n: int = 120, k: int = 4) -> np.ndarray:
    """Returns codes in three groups far apart, (n, k) float32."""
    random = np.random.default_rng(0)
    return (10 * random.normal(size=(3, k))[np.arange(n) % 3] + random.normal(size=(n, k))).astype(np.float32)


def projection_says_what_it_is(cls: type[Projection]) -> None:
    """A page has all that it needs from the descriptor, which JSON holds: no word of the map's is missing."""
    assert isinstance(cls.__dict__.get("name"), str)
    assert all(isinstance(getattr(cls, field, None), str) for field in ("title", "kind", "about"))
    descriptor = json.loads(json.dumps(cls.descriptor()))
    assert descriptor == {"name": cls.name, "title": cls.title, "kind": cls.kind, "about": cls.about}
    assert all(descriptor.values())
    assert cls.kind == ("linear" if issubclass(cls, LinearProjection) else "fitted")
    node = shutil.which("node")
    assert node, "the browser modules' tests need Node.js 20 or newer on the path"
    command = [node, "--input-type=module", "--eval", WORDS % (MAP / "words.js").as_uri(), json.dumps(descriptor)]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=180, check=True).stdout)
    for sentence in told:
        assert cls.about in sentence
        assert "undefined" not in sentence
        assert ("75 %" in sentence) == (cls.kind == "linear")


def projection_keeps_places(cls: type[Projection]) -> None:
    """Places are finite and spread; what was stored lays further codes out as before; a plane is one, both ways."""
    x = codes_of_groups()
    fitted = cls()
    y = fitted.fit(x)
    assert y.shape == (len(x), 2)
    assert y.dtype == np.float32
    assert np.isfinite(y).all()
    assert (y.std(0) > 0).all()
    near = np.linalg.norm(fitted.transform(x[:9]) - y[:9], axis=1)
    assert (near < 0.1 * np.linalg.norm(y - y.mean(0), axis=1).mean()).all()  # a code that was fitted is at its place
    restored = cls()
    restored.restore({name: np.array(array) for name, array in fitted.arrays().items()})
    np.testing.assert_allclose(restored.transform(x[:9] + 0.01), fitted.transform(x[:9] + 0.01), rtol=1e-3, atol=1e-3)
    if isinstance(fitted, LinearProjection):
        V = fitted.components
        np.testing.assert_allclose(V @ V.T, np.eye(2), atol=1e-6)
        np.testing.assert_allclose(y, (x - fitted.mean) @ V.T, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(fitted.transform(y @ V + fitted.mean), y, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(fitted.explained, y.var(0) / x.var(0).sum(), rtol=1e-3)


# ---- datasets


MANY = 10_000  # images; so many are loaded once, not again to see that they are the same


def dataset_is_what_it_says(name: str, source: Source, root: Path) -> None:
    """`root`: where the images are. Values on the support, labels of the classes, rows that undo the split."""
    info = source.describe(root)
    assert info.name == name
    assert DataInfo.from_json(json.loads(json.dumps(info.to_json()))) == info
    assert source.is_here(root)
    data = source.load(root, _no_progress)
    again = source.load(root, _no_progress) if info.train < MANY else data
    assert data.info == info
    for part, count in (("train", info.train), ("test", info.test)):
        images, labels, rows = (getattr(data, f"{part}{of}") for of in ("", "_labels", "_rows"))
        assert images.shape == (count, *info.shape)
        assert torch.equal(images, getattr(again, part))  # the same each time
        assert len(torch.unique(rows)) == count
        assert (labels is None) == (info.classes is None)
        if labels is not None and info.classes is not None:
            assert sorted(torch.unique(labels).tolist()) == list(range(len(info.classes)))
        x = data.to_float(images[:256])
        assert x.dtype == torch.float32
        allowed: dict[str, Any] = {"binary": (x == 0) | (x == 1), "unit": (x >= 0) & (x <= 1), "real": x.isfinite()}
        assert allowed[info.support].all()
        assert info.support == "real" or (x.min() < 0.1 and x.max() > 0.9)  # not a part of the scale
        assert images[:256].float().std(0).max() > 0
    if not any(data.arrays):  # one array, split here: each row is in one part
        rows = torch.cat([data.train_rows, data.test_rows])
        assert torch.equal(rows.sort().values, torch.arange(info.train + info.test))


def _no_progress(*_: Any) -> None:
    """Nothing is downloaded here."""

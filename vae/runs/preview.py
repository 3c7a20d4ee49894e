"""A few held-out images beside their reconstructions, in a form that a browser draws without decoding anything.

A frame (`vae.browser.framing`) of originals | reconstructions, both uint8 (count, height, width, channels), the data's
display limits as 0 and 255. Its header: step, count, height, width, channels.
The noise of z is fixed, so that what moves between two previews is what the model learned.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator, Tensor

from vae.browser.framing import frame
from vae.datasets import Dataset
from vae.datasets.scale import to_bytes
from vae.model.vae import Model
from vae.runs.preview_file import read_header

COUNT = 8


@torch.no_grad()
def render(model: Model, dataset: Dataset, step: int) -> bytes:
    """Returns the preview of `model` after `step` steps."""
    device = next(model.parameters()).device
    generator = Generator(device).manual_seed(0)
    x = dataset.to_float(dataset.test[_chosen(dataset)].to(device), generator)
    x_hat = model.decode(model.encode(x).sample((), generator)).mean
    return pack(step, *(_channels_last(to_bytes(images, dataset.info.limits)) for images in (x, x_hat)))


def pack(step: int, originals: np.ndarray, reconstructions: np.ndarray) -> bytes:
    """Returns the bytes of a preview; the images are (count, height, width, channels) uint8, both."""
    count, height, width, channels = originals.shape
    header = {"step": step, "count": count, "height": height, "width": width, "channels": channels}
    return frame(header, originals.tobytes(), reconstructions.tobytes())


def unpack(data: bytes) -> tuple[int, np.ndarray, np.ndarray]:
    """Returns (step, originals, reconstructions) of `pack`. Raises RunDamaged if the bytes are not a whole preview."""
    header = read_header(data)
    shape = (2, header.count, header.height, header.width, header.channels)
    pixels = np.frombuffer(data, np.uint8, offset=header.at).reshape(shape)
    return header.step, pixels[0], pixels[1]


def _chosen(dataset: Dataset) -> Tensor:
    """One image of each of the first classes where there are labels, else the first images."""
    count = min(COUNT, len(dataset.test))
    if dataset.test_labels is None:
        return torch.arange(count)
    labels = dataset.test_labels.tolist()
    firsts = sorted({label: index for index, label in reversed(list(enumerate(labels)))}.items())
    chosen = [index for _, index in firsts[:count]]
    rest = (index for index in range(len(labels)) if index not in chosen)
    return torch.tensor(chosen + [next(rest) for _ in range(count - len(chosen))])


def _channels_last(images: Tensor) -> np.ndarray:
    """(N, c, h, w) -> (N, h, w, c), on the CPU."""
    return images.permute(0, 2, 3, 1).cpu().contiguous().numpy()

"""Two files that do not belong together, or to the images, are refused in a sentence."""

from __future__ import annotations

import numpy as np
import pytest

from tests.vae.exchange import onnx_writing as onnx
from vae.config import Config
from vae.errors import ConfigError
from vae.exchange.foreign_model import Meaning, build


def test_a_decoder_whose_input_has_no_axis_for_the_code_is_refused() -> None:
    encoder = onnx.dense(6, 4)
    layer = [onnx.node("Gemm", ["z", "w"], ["y"], transB=1)], [onnx.tensor("w", np.ones((6, 2), np.float32))]
    whole, flat = (onnx.model(*layer, [onnx.end("z", sizes)], [onnx.end("y", ["N", 6])]) for sizes in (["N", 2], ["N"]))
    config = Config(latent_dim=2, likelihood="gaussian")
    assert build(encoder, whole, (1, 2, 3), config, Meaning()).k == 2
    with pytest.raises(ConfigError, match=r"take codes \(N, 2\), as many as the encoder's means, got \(N\)"):
        build(encoder, flat, (1, 2, 3), config, Meaning())

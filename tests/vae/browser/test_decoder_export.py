"""The decoder in the page: every network and likelihood of the registries, against torch, and what is refused."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.oracles.decoder_numpy import mean_pixels, read_header
from tests.vae.browser.in_page import run_in_page
from vae.browser import decoder_export
from vae.browser.decoder_export import LIMITS, Precision, export_decoder
from vae.config import Config
from vae.errors import DecoderInexact, DecoderUnsupported, ElboRoomError
from vae.model.latents import LATENTS
from vae.model.likelihoods import LIKELIHOODS, Bernoulli
from vae.model.networks import ACTIVATIONS, NETWORKS
from vae.model.vae import Model, build_model

SHA = "ab" * 32
SHAPES = [(1, 8, 8), (3, 8, 8), (1, 28, 28), (3, 28, 28), (1, 64, 64), (3, 64, 64)]
ODD_SHAPES = [(1, 9, 13), (3, 37, 51), (1, 27, 27), (3, 5, 40)]  # of convolutions that cannot halve evenly
HIDDEN: dict[str, list[tuple[int, ...]]] = {
    "linear": [()],
    "mlp": [(21,), (20, 12)],
    "conv": [(), (30,), (20, 12)],
    "resconv": [(), (30,)],
}
SERVER_DECODED = {name for name, cls in LIKELIHOODS.items() if cls not in decoder_export.HEADS}  # by ui/live/decoder.py


def random_model(
    network: str = "mlp",
    likelihood: str = "bernoulli",
    activation: str = "relu",
    hidden: tuple[int, ...] = (21,),
    shape: tuple[int, int, int] = (1, 8, 8),
    k: int = 3,
    latent: str = "normal",
) -> Model:
    """A model whose outputs spread as a trained one's (standard deviation 4), where a fresh one's are all near 0."""
    config = Config(
        network=network, likelihood=likelihood, activation=activation, hidden=hidden, latent_dim=k, C=7.5, latent=latent
    )  # fmt: skip
    model = build_model(config, shape).eval().requires_grad_(False)
    model.standardise(-1.5, 2.0)  # of a Gaussian; logits stay as they are
    generator = torch.Generator().manual_seed(3)
    for layer in model.decoder:
        if isinstance(layer, nn.Linear | nn.ConvTranspose2d):
            layer.bias.uniform_(-0.2, 0.2, generator=generator)
    last = [layer for layer in model.decoder if isinstance(layer, nn.Linear | nn.ConvTranspose2d)][-1]
    last.weight *= 4 / model.decoder(model.latent.decoder_input(codes(k, latent))).std()
    return model


def codes(k: int, latent: str = "normal") -> Tensor:
    """Five codes: 0, an axis' far end, and draws; of bits the first numbers in binary."""
    if LATENTS[latent].support == "binary":
        return torch.tensor([[float(n >> i & 1) for i in range(k)] for n in (0, 1, 2, 5, 7)])
    z = torch.randn(5, k, generator=torch.Generator().manual_seed(1))
    z[0], z[1] = 0.0, torch.eye(k)[0] * 4
    return z


def torch_mean(model: Model, z: Tensor) -> np.ndarray:
    return model.decode(z).mean.permute(0, 2, 3, 1).numpy()


@dataclass(frozen=True)
class Case:
    network: str
    likelihood: str
    activation: str
    hidden: tuple[int, ...]
    shape: tuple[int, int, int]
    precision: Precision
    latent: str = "normal"

    def __str__(self) -> str:
        sizes = ["-".join(map(str, numbers)) for numbers in (self.hidden or (0,), self.shape)]
        return "_".join([self.network, self.latent, self.likelihood, self.activation, *sizes, self.precision])

    def model(self) -> Model:
        return random_model(self.network, self.likelihood, self.activation, self.hidden, self.shape, latent=self.latent)

    def codes(self) -> Tensor:
        return codes(3, self.latent)


def cases() -> Iterator[Case]:
    """Every network x likelihood x shape, and every hidden depth x activation x shape with the likelihoods in turn;
    every latent x network x likelihood x hidden depth."""
    for network, (shape_number, shape) in itertools.product(NETWORKS, enumerate(SHAPES)):
        forms = list(itertools.product(HIDDEN.get(network, [()]), ACTIVATIONS))
        for number, (hidden, activation) in enumerate(forms):
            precision: Precision = "float16" if (number + shape_number) % 4 == 3 else "float32"
            every = list(LIKELIHOODS)
            for likelihood in every if number == 0 else [every[(number + shape_number) % len(every)]]:
                yield Case(network, likelihood, activation, hidden, shape, precision)
    for network, latent, likelihood in itertools.product(NETWORKS, LATENTS, LIKELIHOODS):
        for number, hidden in enumerate(HIDDEN.get(network, [()])):
            yield Case(network, likelihood, "relu", hidden, SHAPES[number], "float32", latent)
    for number, shape in enumerate(ODD_SHAPES):
        yield Case("conv", list(LIKELIHOODS)[number % len(LIKELIHOODS)], "tanh", (30,), shape, "float32")


CASES = list(dict.fromkeys(cases()))


@dataclass
class Outcome:
    expected: np.ndarray  # what torch gives for the case's codes
    packed: bytes = b""
    pixels: np.ndarray | None = None  # what the page's decoder gave for the case's codes, flat
    error: str = ""  # why it gave nothing


@pytest.fixture(scope="module")
def one_thread_for_all() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def in_page(one_thread_for_all: None, tmp_path_factory: pytest.TempPathFactory) -> dict[Case, Outcome]:
    """What the page's decoder, run by node, gives for each case: one process for all."""
    outcomes = {case: pack(case) for case in CASES}
    todo = {str(case): (outcome.packed, case.codes()) for case, outcome in outcomes.items() if outcome.packed}
    by_name = {str(case): outcome for case, outcome in outcomes.items()}
    for name, pixels in run_in_page(todo, tmp_path_factory.mktemp("decoders")).items():
        outcome = by_name[name]
        if isinstance(pixels, str):
            outcome.error = pixels
        else:
            outcome.pixels = pixels
    return outcomes


def pack(case: Case) -> Outcome:
    model = case.model()
    expected = torch_mean(model, case.codes())
    try:
        return Outcome(expected, export_decoder(model, SHA, case.precision))
    except DecoderUnsupported as error:
        return Outcome(expected, error=str(error))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_page_gives_what_torch_gives(case: Case, in_page: dict[Case, Outcome]) -> None:
    outcome = in_page[case]
    if outcome.pixels is None:
        known = {case.network, case.latent, case.likelihood} & SERVER_DECODED
        assert known, f"{outcome.error}: no form in the page, which has one of everything but these likelihoods"
        return
    expected = outcome.expected
    pixels = outcome.pixels.reshape(expected.shape)
    limit = LIMITS[case.precision] * max(1.0, np.ptp(expected))
    assert np.ptp(expected) > 0.4  # grey images would pass any limit
    np.testing.assert_allclose(pixels, expected, rtol=0, atol=limit)
    rounding = 2e-6 * max(5.0, np.ptp(expected))
    np.testing.assert_allclose(pixels, mean_pixels(outcome.packed, case.codes().numpy()), rtol=0, atol=rounding)


def test_every_network_has_hidden_widths_here() -> None:
    assert set(HIDDEN) == set(NETWORKS), "give the new network's hidden widths above"


class Steep:
    """Codes of ±1 that reach the decoder by a way that no first layer can take over."""

    name = "steep"
    support = "binary"

    @staticmethod
    def decoder_input(z: Tensor) -> Tensor:
        return z**3


def test_the_way_of_z_into_the_first_layer_is_folded_into_it_or_refused() -> None:
    model = random_model(latent="bernoulli")
    flipped = mean_pixels(export_decoder(model, SHA, "float32"), 1 - codes(3, "bernoulli").numpy())
    np.testing.assert_allclose(flipped, torch_mean(model, 1 - codes(3, "bernoulli")), rtol=0, atol=1e-5)
    model.latent = Steep
    with pytest.raises(DecoderUnsupported, match="latent 'steep': the page feeds a decoder with a z"):
        export_decoder(model, SHA)


def test_the_header_tells_what_was_packed() -> None:
    model = random_model("conv", "gaussian", "tanh", (30,), (3, 28, 28), k=4)
    packed = export_decoder(model, SHA)
    header = read_header(packed)
    (length,) = struct.unpack_from("<I", packed, 4)
    assert packed[:4] == b"ELBD"
    assert (8 + length) % 8 == 0
    assert len(packed) == 8 + length + 2 * header["count"]
    assert (header["k"], header["height"], header["width"], header["channels"]) == (4, 28, 28, 3)
    assert header["likelihood"] == {"name": "gaussian", "owns_C": True, "C": pytest.approx(7.5)}
    assert header["weights_sha256"] == SHA
    assert header["precision"] == "float16"
    kinds = ["dense", "tanh", "dense", "tanh", "conv_transpose", "tanh", "conv_transpose"]
    assert [layer["kind"] for layer in header["layers"]] == kinds
    # the stated difference is that of rounding the weights: there, and far below the limit
    assert 1e-6 < header["difference"] < LIMITS["float16"]
    assert read_header(export_decoder(model, SHA, "float32"))["difference"] < header["difference"] / 50


@pytest.mark.parametrize(
    ("size", "stride", "padding", "extra"), [(1, 1, 0, 0), (3, 1, 1, 0), (5, 2, 2, 1), (2, 3, 0, 0), (3, 2, 0, 1)]
)
def test_transposed_convolutions_of_any_size(size: int, stride: int, padding: int, extra: int) -> None:
    model = random_model("conv", "gaussian", "relu", (), (1, 8, 8))
    layer = nn.ConvTranspose2d(32, 3, size, stride, padding, output_padding=extra, bias=padding > 0)
    model.decoder[3] = layer.requires_grad_(False)
    with torch.no_grad():
        _, *model.shape = model.decoder(codes(3)).shape
    model.shape = tuple(model.shape)
    np.testing.assert_allclose(
        mean_pixels(export_decoder(model, SHA, "float32"), codes(3).numpy()), torch_mean(model, codes(3)), atol=1e-5
    )


class Doubled(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


UNSUPPORTED = {
    "AvgPool2d": (nn.AvgPool2d(3, 1, 1), "the page has no form of such a layer"),
    "Linear": (nn.Linear(4, 4), "rows of 4 numbers only"),
    "Conv2d": (nn.Conv2d(32, 32, 3, padding=1, padding_mode="reflect"), "pads images with zeros only"),
    "Upsample": (nn.Upsample(scale_factor=2, mode="bicubic"), "not by bicubic"),
    "PReLU": (nn.PReLU(32), "one slope for all channels"),
    "Softplus": (nn.Softplus(beta=2), "beta 1"),
    "BatchNorm2d": (nn.BatchNorm2d(32, track_running_stats=False), "no form of such a layer"),
    "LayerNorm": (nn.LayerNorm(4), "over all numbers of a picture"),
    "Doubled": (nn.Sequential(Doubled(4, 4)), "no form of such a layer"),
}


@pytest.mark.parametrize("word", UNSUPPORTED)
def test_a_layer_without_a_form_in_the_page_is_named_in_words(word: str) -> None:
    model = random_model("conv", hidden=())
    layer, why = UNSUPPORTED[word]
    model.decoder.insert(3, layer)  # behind Unflatten: images of (32, 4, 4)
    model.decoder.append(nn.AdaptiveAvgPool2d(8))
    model.decoder = nn.Sequential(*list(model.decoder)[:-1]) if word != "Upsample" else model.decoder
    with pytest.raises(DecoderUnsupported, match=rf"the page cannot run layer 3(\.0)? \({word}\): .*{why}") as caught:
        export_decoder(model, SHA)
    assert isinstance(caught.value, ElboRoomError)
    assert "Linear(" not in str(caught.value)  # no layer's repr


def test_a_likelihood_without_a_form_in_the_page_is_named() -> None:
    class Other(Bernoulli):
        name = "other"

    model = random_model()
    model.likelihood = Other()
    with pytest.raises(DecoderUnsupported, match="likelihood 'other'"):
        export_decoder(model, SHA)


@pytest.mark.parametrize("channels", [2, 4])
def test_images_of_other_channels_are_left_to_the_server(channels: int) -> None:
    with pytest.raises(DecoderUnsupported, match="one or three channels"):
        export_decoder(random_model(shape=(channels, 8, 8)), SHA)


def test_half_precision_that_shows_is_refused_and_float32_holds() -> None:
    """Two large weights that cancel: rounded to 11 bits they no longer do."""
    model = random_model(likelihood="gaussian", hidden=(2,), k=1)
    first, _, last, _ = model.decoder
    first.weight.fill_(1.0)
    first.bias.copy_(torch.tensor([1.0, 1.0]))
    last.weight.copy_(torch.tensor([1000.3, -1000.0]).expand(64, 2))
    with pytest.raises(DecoderInexact, match=r"float16 gives pixels that differ .* more than 0.01"):
        export_decoder(model, SHA)
    assert read_header(export_decoder(model, SHA, "float32"))["difference"] <= LIMITS["float32"]


@pytest.mark.parametrize(("value", "said"), [(7e4, "too large for float16"), (float("nan"), "too large|differ")])
def test_weights_that_no_half_can_hold_are_refused(value: float, said: str) -> None:
    model = random_model()
    model.decoder[0].weight[0, 0] = value
    with pytest.raises(DecoderInexact, match=said):
        export_decoder(model, SHA)


@pytest.mark.parametrize("latent", LATENTS)
def test_the_stated_difference_is_that_of_the_file(latent: str) -> None:
    """As the second reader finds it, at the codes that the exporter tries; float32 computes to six digits or so."""
    model = random_model("conv", "gaussian", "tanh", (30,), latent=latent)
    z = model.prior().sample((decoder_export.DRAWS,), torch.Generator().manual_seed(0))
    z = torch.cat([torch.zeros_like(z[:1]), z, *([2 * z] if model.latent.support == "real" else [])])
    packed, mean = export_decoder(model, SHA), torch_mean(model, z)
    found = np.abs(mean_pixels(packed, z.numpy()) - mean).max() / max(1.0, np.ptp(mean))
    assert read_header(packed)["difference"] == pytest.approx(found, rel=0.01)
    assert found > 1e-5


def test_a_model_trained_in_bfloat16_or_kept_in_float64_packs_its_weights() -> None:
    model = random_model("conv", hidden=())
    plain = export_decoder(model, SHA, "float32")
    model.in_bfloat16 = True
    assert export_decoder(model, SHA, "float32") == plain
    model.in_bfloat16 = False
    z = codes(3)
    double = mean_pixels(export_decoder(model.double(), SHA, "float32"), z.numpy())
    np.testing.assert_allclose(double, mean_pixels(plain, z.numpy()), atol=1e-6)

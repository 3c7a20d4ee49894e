"""Networks: what each computes, which images it takes, and how much work it is."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

from vae.errors import ConfigError
from vae.model.networks import (
    ConvNetwork,
    LinearNetwork,
    MLPNetwork,
    Residual,
    ResidualConvNetwork,
    multiply_adds,
)
from vae.training.size import count


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def widths(network: nn.Sequential) -> list[tuple[int, int]]:
    return [(m.in_features, m.out_features) for m in network if isinstance(m, nn.Linear)]


def test_linear_network_is_one_affine_map_each_way() -> None:
    decoder = LinearNetwork.decoder(3, (1, 4, 5), 2, (), "relu").double()
    a, b = normal(0, 1, 3).double(), normal(1, 1, 3).double()
    torch.testing.assert_close(decoder(0.3 * a + 0.7 * b), 0.3 * decoder(a) + 0.7 * decoder(b))
    encoder = LinearNetwork.encoder((1, 4, 5), 6, (), "relu").double()
    x, y = normal(2, 1, 1, 4, 5).double(), normal(3, 1, 1, 4, 5).double()
    torch.testing.assert_close(encoder(2 * x - y), 2 * encoder(x) - encoder(y))
    assert widths(encoder) == [(20, 6)]
    assert widths(decoder) == [(3, 40)]


@pytest.mark.parametrize(("activation", "function"), [("relu", torch.relu), ("tanh", torch.tanh)])
def test_mlp_is_the_formula_and_the_decoder_mirrors_the_encoder(activation: str, function) -> None:
    encoder = MLPNetwork.encoder((2, 3, 4), 6, (7, 5), activation)
    decoder = MLPNetwork.decoder(3, (2, 3, 4), 2, (7, 5), activation)
    assert widths(encoder) == [(24, 7), (7, 5), (5, 6)]
    assert widths(decoder) == [(3, 5), (5, 7), (7, 24)]
    x = normal(0, 8, 2, 3, 4)
    first, second, last = (m for m in encoder if isinstance(m, nn.Linear))
    h = function(x.reshape(8, 24) @ first.weight.T + first.bias)
    h = function(h @ second.weight.T + second.bias)
    torch.testing.assert_close(encoder(x), h @ last.weight.T + last.bias)
    z = normal(1, 8, 3)
    flat = z
    for layer in decoder[:-1]:
        flat = layer(flat)
    assert torch.equal(decoder(z), flat.reshape(8, 2, 3, 4))
    assert (decoder(z) < 0).any()


@pytest.mark.parametrize(
    ("shape", "channels", "side"),
    [((1, 28, 28), [32, 64], 7), ((3, 28, 28), [32, 64], 7), ((1, 64, 64), [32] * 4, 4), ((3, 64, 64), [32] * 4, 4),
     ((1, 8, 8), [32], 4), ((1, 32, 32), [32] * 3, 4)],
)  # fmt: skip
def test_conv_halves_down_and_mirrors_back(shape: tuple[int, int, int], channels: list[int], side: int) -> None:
    ConvNetwork.check(shape, (16,))
    encoder = ConvNetwork.encoder(shape, 6, (16,), "relu")
    decoder = ConvNetwork.decoder(3, shape, 2 * shape[0], (16,), "relu")
    down = [(m.in_channels, m.out_channels) for m in encoder if isinstance(m, nn.Conv2d)]
    up = [(m.in_channels, m.out_channels) for m in decoder if isinstance(m, nn.ConvTranspose2d)]
    assert down == list(zip([shape[0], *channels], channels, strict=False))
    assert up == list(zip(channels[::-1], [*channels[-2::-1], 2 * shape[0]], strict=True))
    assert widths(encoder) == [(channels[-1] * side**2, 16), (16, 6)]
    assert widths(decoder) == [(3, 16), (16, channels[-1] * side**2)]
    assert encoder(torch.zeros(2, *shape)).shape == (2, 6)
    assert decoder(torch.zeros(2, 3)).shape == (2, 2 * shape[0], *shape[1:])
    assert isinstance(decoder[-1], nn.ConvTranspose2d)


def test_conv_sees_each_pixel_where_it_is() -> None:
    encoder = ConvNetwork.encoder((1, 28, 28), 2, (), "tanh")
    x = torch.zeros(1, 1, 28, 28)
    before = encoder[0](x)
    x[0, 0, 10, 21] = 1.0
    changed = (encoder[0](x) != before).any(1).squeeze()
    places = {tuple(place) for place in changed.nonzero().tolist()}
    assert places == {(4, 10), (4, 11), (5, 10), (5, 11)}  # rows and columns 2i − 1 .. 2i + 2 see a pixel


@pytest.mark.parametrize(
    "shape", [(1, 27, 27), (3, 37, 51), (1, 4, 5), (3, 9, 64), (1, 97, 97), (1, 8, 200), (2, 30, 30), (1, 7, 7)]
)
def test_conv_takes_images_of_any_size(shape: tuple[int, int, int]) -> None:
    ConvNetwork.check(shape, (16,))
    torch.manual_seed(0)
    encoder = ConvNetwork.encoder(shape, 6, (16,), "tanh").double()
    decoder = ConvNetwork.decoder(3, shape, shape[0], (16,), "tanh").double()
    x = normal(0, 1, *shape).double().requires_grad_()
    encoder(x).sum().backward()
    assert x.grad is not None
    assert (x.grad != 0).all()  # every pixel is read, also those of an odd last row
    z = normal(1, 1, 3).double()
    pictures = decoder(z)
    assert pictures.shape == (1, *shape)
    assert (pictures != decoder[-1].bias[:, None, None]).all()  # and every pixel is written
    assert count(encoder, shape)[0] == multiply_adds(encoder, x.detach())
    assert count(decoder, (3,))[0] == multiply_adds(decoder, z)


@pytest.mark.parametrize(("side", "channels"), [(28, [32, 64]), (64, [32] * 4)])
def test_conv_of_even_sides_is_what_it_was(side: int, channels: list[int]) -> None:
    """Layer by layer as written before it took odd sides, with the same random numbers: bit for bit."""
    torch.manual_seed(5)
    down = [nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in itertools.pairwise([1, *channels])]
    small = side >> len(channels)
    dense, first = nn.Linear(channels[-1] * small**2, 6), nn.Linear(3, channels[-1] * small**2)
    up = [nn.ConvTranspose2d(a, b, 4, stride=2, padding=1) for a, b in itertools.pairwise([*reversed(channels), 1])]
    x, z = normal(2, 2, 1, side, side), normal(3, 2, 3)
    h, back = x, torch.relu(first(z)).reshape(2, channels[-1], small, small)
    for layer in down:
        h = torch.relu(layer(h))
    for layer in up[:-1]:
        back = torch.relu(layer(back))
    torch.manual_seed(5)
    encoder = ConvNetwork.encoder((1, side, side), 6, (), "relu")
    decoder = ConvNetwork.decoder(3, (1, side, side), 1, (), "relu")
    assert torch.equal(encoder(x), dense(h.flatten(1)))
    assert torch.equal(decoder(z), up[-1](back))


@pytest.mark.parametrize("shape", [(1, 3, 28), (1, 1, 1), (3, 64, 2)])
def test_conv_refuses_images_without_a_middle(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ConfigError, match=f"{shape[1]}x{shape[2]}.*mlp"):
        ConvNetwork.check(shape, (16,))


def test_hidden_widths_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigError, match="linear network has no hidden"):
        LinearNetwork.check((1, 8, 8), (5,))
    with pytest.raises(ConfigError, match="at least one width"):
        MLPNetwork.check((1, 8, 8), ())


def test_multiply_adds_counted_by_hand() -> None:
    shape = (1, 28, 28)
    mlp = MLPNetwork.encoder(shape, 20, (400,), "relu")
    assert multiply_adds(mlp, torch.zeros(1, *shape)) == 784 * 400 + 400 * 20
    conv = ConvNetwork.encoder(shape, 20, (256,), "relu")
    dense = 64 * 49 * 256 + 256 * 20
    assert multiply_adds(conv, torch.zeros(1, *shape)) == 16 * 32 * 14**2 + 32 * 64 * 16 * 7**2 + dense
    back = ConvNetwork.decoder(10, shape, 1, (256,), "relu")
    dense = 10 * 256 + 256 * 64 * 49
    assert multiply_adds(back, torch.zeros(1, 10)) == dense + 64 * 32 * 16 * 7**2 + 32 * 16 * 14**2


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [
        ((3, 64, 64), [(32, 32, 32), (64, 16, 16), (128, 8, 8), (128, 4, 4)]),
        ((1, 28, 28), [(32, 14, 14), (64, 7, 7)]),
        ((3, 8, 8), [(32, 4, 4)]),
        ((3, 45, 60), [(32, 22, 30), (64, 11, 15), (128, 5, 7)]),
        ((1, 8, 90), [(32, 4, 45), (64, 2, 22), (128, 1, 11)]),
    ],
)
def test_resconv_halves_down_and_comes_back_to_images_of_any_size(shape: tuple, sizes: list[tuple]) -> None:
    assert ResidualConvNetwork.sizes(shape)[1:] == sizes
    encoder = ResidualConvNetwork.encoder(shape, 6, (16,), "relu")
    decoder = ResidualConvNetwork.decoder(3, shape, 2 * shape[0], (16,), "relu")
    blocks = [layer for layer in (*encoder, *decoder) if isinstance(layer, Residual)]
    assert len(blocks) == 2 * len(sizes)
    assert encoder(normal(0, 2, *shape)).shape == (2, 6)
    assert decoder(normal(1, 2, 3)).shape == (2, 2 * shape[0], *shape[1:])
    x = normal(2, 1, *sizes[0])
    torch.testing.assert_close(blocks[0](x), x + blocks[0].body(x))


def test_resconv_refuses_images_too_small_to_halve() -> None:
    with pytest.raises(ConfigError, match="resconv needs images of 8 pixels or more a side, got 7x9"):
        ResidualConvNetwork.check((1, 7, 9), (16,))

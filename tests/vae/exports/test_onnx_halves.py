"""Encoder and decoder as ONNX: what onnxruntime computes from the file, what our own importer reads from it, and what
torch had are the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

import vae
from tests.newcomers import SharedNormalLatent, StudentT
from tests.vae.exchange.test_onnx_layers import CASES
from vae import runs
from vae.config import Config
from vae.errors import ConfigError
from vae.exports.export import Stopped, unheard
from vae.exports.onnx_graph import OnnxGraph
from vae.exports.onnx_halves import ONNX, decoder_graph, encoder_graph
from vae.exports.onnx_layers import LAYERS, unknown_layers, write
from vae.files import sha256
from vae.model import graph as own
from vae.model.latents import LATENTS
from vae.model.likelihoods import LIKELIHOODS
from vae.model.vae import Model, build_model
from vae.runs import Run

DEMOS = Path(__file__).resolve().parents[3] / "checkpoints"
NAMES = ("demo-digits-2d", "demo-digits-8bits", "demo-mnist-10d")


def by_onnxruntime(data: bytes, x: Tensor) -> dict[str, Tensor]:
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    found = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    return {name: torch.from_numpy(array) for name, array in zip(names, found, strict=True)}


def files_of(run: Run, folder: Path) -> tuple[Path, Path]:
    paths = folder / "encoder.onnx", folder / "decoder.onnx"
    for kind, path in zip(ONNX.kinds, paths, strict=True):
        assert ONNX.why_not(run, kind) == ""
        ONNX.write(run, kind, path, unheard)
    return paths


def images_of(model: Model, n: int = 40) -> Tensor:
    x = torch.rand(n, *model.shape, generator=torch.Generator().manual_seed(0))
    return (x > 0.5).float() if model.likelihood.support == "binary" else x


def codes_for(model: Model, n: int = 300) -> Tensor:
    return model.prior().sample((n,), torch.Generator().manual_seed(1))


def close(found: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def check(model: Model, encoder: bytes, decoder: bytes) -> None:
    """Over many images and codes, one at a time and in one batch."""
    x, z = images_of(model), codes_for(model)
    qz_x, answers = model.encode(x), by_onnxruntime(encoder, x)
    if "logits" in answers:
        close(answers["logits"], qz_x.logits)  # type: ignore[attr-defined]
    else:
        close(answers["mean"], qz_x.mean)
        spread = "log_variance" if "log_variance" in answers else "factor"
        close(answers[spread], getattr(qz_x, "log_variance" if spread == "log_variance" else "L"))
    (image,) = by_onnxruntime(decoder, z).values()
    px_z = model.decode(z)
    close(image, px_z.logits.sigmoid() if hasattr(px_z, "logits") else px_z.mean)
    close(next(iter(by_onnxruntime(decoder, z[:1]).values())), image[:1])


@pytest.mark.parametrize("name", NAMES)
def test_a_demo_is_the_same_by_onnxruntime_and_read_back_here(name: str, tmp_path: Path) -> None:
    run = runs.load_run(DEMOS / name)
    encoder, decoder = files_of(run, tmp_path)
    check(run.model, encoder.read_bytes(), decoder.read_bytes())
    told = {one.key: one.value for one in onnx.load(decoder).metadata_props}
    assert told["run"] == name
    assert (told["likelihood"], told["latent"], told["pixels"]) == (run.config.likelihood, run.config.latent, "0,1")
    assert float(told["C"]) == pytest.approx(run.model.likelihood.C if run.model.likelihood.owns_C else 1.0)
    assert told["weights_sha256"] == sha256((run.path / runs.WEIGHTS).read_bytes())
    again = vae.wrap(
        encoder, decoder, images_of(run.model).numpy(), likelihood=run.config.likelihood, latent=run.config.latent,
        C=float(told["C"]), folder=tmp_path / "runs", name="again",
    ).model  # fmt: skip
    x, z = images_of(run.model), codes_for(run.model)
    close(again.encode(x).mean, run.model.encode(x).mean)
    close(again.decode(z).mean, run.model.decode(z).mean)
    ours, theirs = (
        vae.elbo_terms(model, x, generator=torch.Generator().manual_seed(2)) for model in (run.model, again)
    )
    torch.testing.assert_close(ours.elbo, theirs.elbo, rtol=1e-5, atol=1e-3)


SHAPES = {"mlp": (1, 5, 4), "linear": (1, 4, 4), "conv": (1, 13, 9), "resconv": (3, 11, 8)}


@pytest.mark.parametrize("latent", ["normal", "full-normal", "bernoulli"])
@pytest.mark.parametrize("network", SHAPES)
def test_every_network_and_latent_is_written_whole(network: str, latent: str, tmp_path: Path) -> None:
    likelihood = "gaussian" if network in ("mlp", "resconv") else "continuous-bernoulli"
    config = Config(
        likelihood=likelihood, latent=latent, latent_dim=3, network=network, C=2.0, activation="tanh",
        hidden=() if network == "linear" else (7,),
    )  # fmt: skip
    model = build_model(config, SHAPES[network]).eval().requires_grad_(False)
    model.standardise(0.3, 0.7)
    encoder, decoder = (graph(model).packed({}, ("", "")) for graph in (encoder_graph, decoder_graph))
    check(model, encoder, decoder)
    again = vae.wrap(
        encoder, decoder, images_of(model).numpy(), likelihood=likelihood, latent=latent, C=2.0, folder=tmp_path
    ).model
    x, z = images_of(model), codes_for(model)
    close(again.decode(z).mean, model.decode(z).mean)
    close(again.encode(x).mean, model.encode(x).mean)
    torch.testing.assert_close(
        model.latent.rate(again.encode(x)), model.latent.rate(model.encode(x)), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("latent", LATENTS)
def test_every_variant_that_has_a_name_can_be_written(latent: str, likelihood: str) -> None:
    config = Config(likelihood=likelihood, latent=latent, latent_dim=2, hidden=(5,), C=1.0)
    model = build_model(config, (1, 3, 4)).eval().requires_grad_(False)
    check(model, *(graph(model).packed({}, ("", "")) for graph in (encoder_graph, decoder_graph)))


def test_a_newcomers_latent_and_likelihood_give_their_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LATENTS, SharedNormalLatent.name, SharedNormalLatent)
    monkeypatch.setitem(LIKELIHOODS, StudentT.name, StudentT)
    config = Config(likelihood=StudentT.name, latent=SharedNormalLatent.name, latent_dim=2, hidden=(5,), C=1.0)
    model = build_model(config, (1, 3, 4)).eval().requires_grad_(False)
    x, z = images_of(model), codes_for(model)
    close(by_onnxruntime(encoder_graph(model).packed({}, ("", "")), x)["parameters"], model.encoder(x))
    close(by_onnxruntime(decoder_graph(model).packed({}, ("", "")), z)["parameters"], model.decoder(z))


def layered(module: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """What onnxruntime computes from a module written here, and what torch does."""
    graph = OnnxGraph("layers", "x", x[:1])
    made = write(graph, module, ["x"])
    graph.give(made, "y", graph.examples[made])
    with torch.no_grad():
        return by_onnxruntime(graph.packed({}, ("", "")), x)["y"], module(x)


OTHERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "padding on one side": (lambda: nn.Sequential(nn.ZeroPad2d((1, 0, 2, 1)), nn.Conv2d(2, 3, 2)), (2, 4, 5)),
    "pooled": (lambda: nn.Sequential(nn.MaxPool2d(2), nn.AvgPool2d(3, 1, 1), nn.AvgPool2d(2, 1)), (2, 8, 8)),
    "a graph": (lambda: own.Graph([nn.Linear(4, 4), own.Subtract(), own.Join(1)], [(0,), (0, 1), (2, 0)]), (4,)),
    "numbers of places": (lambda: nn.Sequential(own.Select(1, torch.tensor([2, 0, 2])), own.Power(2.0)), (4,)),
    "a choice": (lambda: own.Graph([own.Above(0.2), nn.Tanh(), own.Choose()], [(0,), (0,), (1, 2, 0)]), (4,)),
    "the rest": (
        lambda: nn.Sequential(
            own.Reshape((2, 6)), own.Permute((0, 2, 1)), own.Mean((2,), True), own.Part(1, 1, 5), own.Clamp(-1.0, None),
            nn.Flatten(), own.Affine(torch.tensor(0.5), torch.tensor(1.0)), nn.Sigmoid(), own.Logit(),
            own.Pointwise("abs"), nn.Softsign(), nn.Dropout(0.5),
        ),
        (3, 2, 2),
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    "case", [*OTHERS, *(name for name in CASES if name not in ("residual", "shapes", "arithmetic"))]
)
def test_a_layer_computes_what_torch_does(case: str) -> None:
    make, sizes = OTHERS[case] if case in OTHERS else CASES[case]
    torch.manual_seed(0)
    module = make().eval().requires_grad_(False)
    missing = list(unknown_layers(module))
    if missing:  # torch's own that no model here is made of
        assert all(any(name in words for name in ("Pool", "LogSigmoid", "ReLU6")) for words in missing), missing
        with pytest.raises(ConfigError, match="cannot be written"):
            layered(module, torch.randn(2, *sizes))
        return
    found, wanted = layered(module, torch.randn(5, *sizes))
    torch.testing.assert_close(found, wanted, rtol=2e-5, atol=2e-5)


def test_every_layer_that_the_importer_makes_can_be_written_again() -> None:
    layers = {kind for kind in vars(own).values() if isinstance(kind, type) and issubclass(kind, nn.Module)}
    assert layers - {own.Graph} - set(LAYERS) == set()


def test_somebody_elses_model_is_written_from_what_was_read(tmp_path: Path) -> None:
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(20, 6), nn.GELU(), nn.BatchNorm1d(6), nn.Linear(6, 4)).eval()
    decoder = nn.Sequential(
        nn.Linear(2, 16), nn.Unflatten(1, (4, 2, 2)), nn.GroupNorm(2, 4), nn.SiLU(), nn.Upsample(size=(5, 4)),
        nn.Conv2d(4, 1, 3, padding=1), nn.Sigmoid(),
    ).eval()  # fmt: skip
    x = torch.rand(12, 1, 5, 4)
    run = vae.wrap(encoder, decoder, x.numpy(), likelihood="gaussian", C=3.0, pixels=(0.0, 1.0), folder=tmp_path)
    paths = files_of(run, tmp_path)
    check(run.model, *(path.read_bytes() for path in paths))
    with torch.no_grad():
        close(by_onnxruntime(paths[1].read_bytes(), codes_for(run.model))["mean"], decoder(codes_for(run.model)))


class Strange(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


def test_a_layer_without_a_form_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    run = runs.load_run(DEMOS / NAMES[0])
    run.model.decoder.append(Strange())
    assert "Strange" in ONNX.why_not(run, "decoder")
    assert ONNX.why_not(run, "encoder") == ""
    with pytest.raises(ConfigError, match="Strange cannot be written"):
        ONNX.write(run, "decoder", tmp_path / "x.onnx", unheard)

    def stop(share: float, words: str) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        ONNX.write(run, "encoder", tmp_path / "x.onnx", stop)
    assert list(tmp_path.iterdir()) == []


def test_a_code_of_bits_is_taken_as_zeros_and_ones() -> None:
    run = runs.load_run(DEMOS / NAMES[1])
    z = torch.from_numpy(np.eye(8, dtype=np.float32))
    data = decoder_graph(run.model).packed({}, ("", ""))
    close(by_onnxruntime(data, z)["probabilities"], run.model.decode(z).mean)

"""A model of somebody's own as a run: its numbers are those of its own code, and every part of the core takes it."""

from __future__ import annotations

import importlib.util
import json
import math
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

import vae
from tests.vae.exchange import onnx_writing as wire
from vae import runs
from vae.__main__ import main
from vae.bound.chunks import rows_at_once
from vae.bound.evaluation import evaluate
from vae.bound.objective import ElboTerms
from vae.errors import ConfigError, DataError, ModelUnreadable, RunDamaged
from vae.exchange.torch_export import export_decoder, export_encoder
from vae.runs.foreign_run import save_model, told_apart
from vae.runs.own_data import IMAGES
from vae.runs.own_numbers import why_no_likelihood
from vae.space.encodings import codes_of

COUNT, K = 40, 16


class ConvVAE(nn.Module):
    """As people write it: BatchNorm, SiLU, Upsample; images of 16 x 16."""

    def __init__(self, k: int = K, last: type[nn.Module] = nn.Sigmoid) -> None:
        super().__init__()
        self.front = nn.Sequential(
            nn.Conv2d(1, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.SiLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.BatchNorm2d(16),
            nn.SiLU(), nn.Flatten(),
        )  # fmt: skip
        self.mean, self.log_variance = nn.Linear(256, k), nn.Linear(256, k)
        self.dense = nn.Linear(k, 256)
        self.back = nn.Sequential(
            nn.BatchNorm2d(16), nn.SiLU(), nn.Upsample(scale_factor=2), nn.Conv2d(16, 8, 3, padding=1),
            nn.BatchNorm2d(8), nn.SiLU(), nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(8, 1, 3, padding=1),
            last(),
        )  # fmt: skip

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.front(x)
        return self.mean(h), self.log_variance(h)

    def decode(self, z: Tensor) -> Tensor:
        return self.back(self.dense(z).view(-1, 16, 4, 4))


@pytest.fixture
def own() -> ConvVAE:
    return trained(ConvVAE())


def trained(model: ConvVAE) -> ConvVAE:
    """Some steps, so that BatchNorm has statistics."""
    generator = torch.Generator().manual_seed(0)
    for value in model.parameters():
        value.data = 0.3 * torch.randn(value.shape, generator=generator)
    for _ in range(5):
        model.decode(model.encode(images(64))[0])
    return model.eval()


def images(count: int = COUNT) -> Tensor:
    """(count, 1, 16, 16) in [0, 1]: smooth, so that they are not all alike."""
    rough = torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(7))
    return F.interpolate(rough, scale_factor=4)


def own_terms(model: nn.Module, x: Tensor, log_px_z: Any, seed: int = 3) -> tuple[Tensor, Tensor]:
    """Distortion and rate (B,) by the model's own code, with the noise that `elbo_terms` draws."""
    with torch.no_grad():
        mean, log_variance = model.encode(x)  # type: ignore[operator]
        noise = torch.randn(1, *mean.shape, generator=torch.Generator().manual_seed(seed))[0]
        decoded = model.decode(mean + (log_variance / 2).exp() * noise)  # type: ignore[operator]
        rate = 0.5 * (mean**2 + log_variance.exp() - log_variance - 1).sum(1)
    return -log_px_z(decoded, x), rate


def terms_of(run: runs.Run, seed: int = 3) -> ElboTerms:
    dataset = run.dataset()
    return vae.elbo_terms(run.model, dataset.to_float(dataset.test), generator=Generator().manual_seed(seed))


def gaussian(C: float) -> Any:
    def log_px_z(decoded: Tensor, x: Tensor) -> Tensor:
        D = x[0].numel()
        return -C * (x - decoded).square().sum((1, 2, 3)) - D / 2 * math.log(math.pi / C)

    return log_px_z


def bernoulli(decoded: Tensor, x: Tensor) -> Tensor:
    return -F.binary_cross_entropy(decoded.double(), x.double(), reduction="none").sum((1, 2, 3))


@pytest.mark.parametrize(("pixels", "last"), [((0.0, 1.0), nn.Sigmoid), ((-1.0, 1.0), nn.Tanh)])
def test_distortion_and_rate_are_those_of_ones_own_code(
    pixels: tuple[float, float], last: type[nn.Module], tmp_path: Path
) -> None:
    own, C = trained(ConvVAE(last=last)), 20.0
    x = pixels[0] + (pixels[1] - pixels[0]) * images()
    run = vae.wrap(own.encode, own.decode, images=x, likelihood="gaussian", pixels=pixels, C=C, folder=tmp_path)
    found, (distortion, rate) = terms_of(run), own_terms(own, x, gaussian(C))
    torch.testing.assert_close(found.distortion, distortion, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(found.rate, rate, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.distortion.mean(), distortion.mean(), rtol=1e-4, atol=0)
    assert run.config.C == C
    assert (run.config.network, run.config.latent_dim, run.model.k) == ("yours", K, K)
    assert why_no_likelihood(run.config, run.data) == ""


@pytest.mark.parametrize("gives", [None, "probabilities", "logits"])
def test_bernoulli_probabilities_and_logits_are_told_apart(gives: Any, tmp_path: Path) -> None:
    own = trained(ConvVAE(last=nn.Identity if gives == "logits" else nn.Sigmoid))
    x = (images() > 0.5).float()
    run = vae.wrap(own.encode, own.decode, images=x, likelihood="bernoulli", gives=gives, folder=tmp_path)
    probabilities = own if gives != "logits" else None

    def log_px_z(decoded: Tensor, x: Tensor) -> Tensor:
        return bernoulli(decoded if probabilities else decoded.sigmoid(), x)

    distortion, _ = own_terms(own, x, log_px_z)
    torch.testing.assert_close(terms_of(run).distortion, distortion.float(), rtol=1e-4, atol=1e-3)
    assert not isinstance(run.model.decoder[-1], nn.Sigmoid)  # its argument is the logit
    assert why_no_likelihood(run.config, run.data) == ""


def test_a_sigmoid_under_a_reshape_is_a_logit_too(tmp_path: Path) -> None:
    dense = nn.Linear(2, 256)
    dense.weight.data *= 40  # probabilities that float32 rounds to 0 and 1: log p needs the logit itself
    front = nn.Sequential(nn.Flatten(), nn.Linear(256, 4))

    def decode(z: Tensor) -> Tensor:
        return dense(z).sigmoid().view(-1, 1, 16, 16)

    run = vae.wrap(front, decode, images=(images() > 0.5).float(), likelihood="bernoulli", folder=tmp_path)
    z = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(run.model.decode(z).logits.flatten(1), dense(z), rtol=1e-5, atol=1e-5)


def test_a_decoder_of_probabilities_without_a_sigmoid_at_its_end_gets_a_stable_logit(tmp_path: Path) -> None:
    dense = nn.Linear(2, 256)

    def decode(z: Tensor) -> Tensor:
        return (dense(z).tanh() + 1) / 2

    front = nn.Sequential(nn.Flatten(), nn.Linear(256, 4))
    run = vae.wrap(front, decode, images=(images() > 0.5).float(), likelihood="bernoulli", folder=tmp_path)
    z = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(run.model.decode(z).mean.flatten(1), decode(z), rtol=1e-5, atol=1e-6)


def test_a_dataset_in_the_unit_interval_is_mapped_to_what_the_network_sees(tmp_path: Path) -> None:
    """In [0, 1] a density is larger by (high − low) for each pixel, and C by (high − low)²; C ‖x − f‖² is the same."""
    own, C, x = trained(ConvVAE(last=nn.Tanh)), 20.0, images()
    np.savez(tmp_path / "x.npz", images=x[:, 0].numpy())
    run = vae.wrap(
        own.encode, own.decode, images=tmp_path / "x.npz", likelihood="gaussian", pixels=(-1, 1), C=C, folder=tmp_path
    )
    dataset = run.dataset()
    seen = 2 * dataset.to_float(dataset.test) - 1
    distortion, rate = own_terms(own, seen, gaussian(C))
    found = terms_of(run)
    torch.testing.assert_close(found.distortion, distortion - 256 * math.log(2), rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(found.rate, rate, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        found.squared_error, own_terms(own, seen, lambda d, x: -(x - d).square().sum((1, 2, 3)))[0] / 4
    )
    assert run.config.C == 4 * C
    assert (run.config.dataset, len(dataset.train)) == (str(tmp_path / "x.npz"), 32)


def test_bits_are_fed_to_the_decoder_as_0_and_1(tmp_path: Path) -> None:
    front, back = nn.Sequential(nn.Flatten(), nn.Linear(256, 6)), nn.Linear(6, 256)
    run = vae.wrap(
        front, back, images=(images() > 0.5).float(), likelihood="bernoulli", gives="logits", latent="bernoulli",
        folder=tmp_path,
    )  # fmt: skip
    x = run.dataset().to_float(run.dataset().test)
    bits = torch.randint(0, 2, (5, 6), generator=torch.Generator().manual_seed(0)).float()
    with torch.no_grad():
        torch.testing.assert_close(run.model.encode(x).logits, front(x))
        torch.testing.assert_close(run.model.decode(bits).logits.flatten(1), back(bits), rtol=1e-5, atol=1e-5)
    assert run.config.latent_dim == 6


@pytest.mark.parametrize("form", ["one output", "flat images", "channels last", "codes as pictures", "names"])
def test_other_forms_of_the_same_network(form: str, tmp_path: Path) -> None:
    own = trained(ConvVAE())
    encode: Any = own.encode
    decode: Any = own.decode
    if form == "one output":
        encode = lambda x: torch.cat(own.encode(x), 1)  # noqa: E731
    elif form == "flat images":
        encode, decode = (lambda x: own.encode(x.view(-1, 1, 16, 16))), (lambda z: own.decode(z).flatten(1))
    elif form == "codes as pictures":
        encode = lambda x: tuple(one[:, :, None, None] for one in own.encode(x))  # noqa: E731
    elif form == "names":
        encode = lambda x: dict(zip(("embedding", "log_covariance"), own.encode(x), strict=True))  # noqa: E731
        decode = lambda z: {"reconstruction": own.decode(z)}  # noqa: E731
    elif form == "channels last":
        decode = lambda z: own.decode(z).permute(0, 2, 3, 1)  # noqa: E731
    run = vae.wrap(encode, decode, images=images(), likelihood="gaussian", C=3, folder=tmp_path)
    distortion, rate = own_terms(own, images(), gaussian(3))
    torch.testing.assert_close(terms_of(run).distortion, distortion, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(terms_of(run).rate, rate, rtol=1e-4, atol=1e-4)


def test_a_model_of_pythae_in_one_line(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it imports is older than some of its warnings
        from pythae.models import VAE, VAEConfig
    torch.manual_seed(0)
    own, x = VAE(VAEConfig(input_dim=(1, 8, 8), latent_dim=5)).eval(), F.avg_pool2d(images(), 2)
    run = vae.wrap(own.encoder, own.decoder, images=x, likelihood="gaussian", C=2, folder=tmp_path)
    own.encode = lambda x: (own.encoder(x).embedding, own.encoder(x).log_covariance)
    own.decode = lambda z: own.decoder(z).reconstruction
    distortion, rate = own_terms(own, x, gaussian(2))
    torch.testing.assert_close(terms_of(run).distortion, distortion, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(terms_of(run).rate, rate, rtol=1e-4, atol=1e-5)


def test_the_rest_of_the_core_takes_it(own: ConvVAE, tmp_path: Path) -> None:
    labels = torch.arange(COUNT) % 3
    run = vae.wrap(own.encode, own.decode, images=images(), labels=labels, likelihood="gaussian", C=5, folder=tmp_path)
    codes = codes_of(run)
    with torch.no_grad():
        np.testing.assert_allclose(codes.loc, own.encode(images())[0].numpy(), atol=1e-4)
    assert codes.labels is not None
    assert codes.labels.tolist() == labels.tolist()
    assert codes.parts == ("test",)
    with pytest.raises(DataError, match="no training images"):
        codes_of(run, "train")
    found = evaluate(run.model, run.dataset(), samples=20, limit=10)
    assert found["n"] == 10
    assert math.isfinite(found["iw_bound"])
    assert rows_at_once(run.model) == 2**19 // (8 * 16 * 16)  # the widest layer inside has eight channels
    (record,) = run.history
    torch.testing.assert_close(
        record["test"]["rate"], float(own_terms(own, images(), gaussian(5))[1].mean()), rtol=1e-4, atol=0
    )
    assert sum(record["test"]["rate_per_dim"]) == pytest.approx(record["test"]["rate"], rel=1e-5)
    assert runs.read_status(run.path).state == "finished"
    assert (run.path / "preview/live.bin").is_file()


def test_ones_own_modules_are_left_as_they_were(own: ConvVAE, tmp_path: Path) -> None:
    own.train()
    own.front[1].eval()
    modes = [module.training for module in own.modules()]
    before = {name: value.clone() for name, value in own.state_dict().items()}
    torch.manual_seed(5)
    state = torch.get_rng_state()
    vae.wrap(own.encode, own.decode, images=images(), folder=tmp_path)
    assert torch.equal(torch.get_rng_state(), state)
    assert [module.training for module in own.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in own.state_dict().items())
    assert all(value.requires_grad for value in own.parameters())


def test_without_a_told_likelihood_the_nats_say_so(own: ConvVAE, tmp_path: Path, capsys: Any) -> None:
    run = vae.wrap(own.encode, own.decode, images=images(), folder=tmp_path, name="untold")
    assert run.config.likelihood is None
    assert "not a likelihood's" in why_no_likelihood(run.config, run.data)
    assert main(["evaluate", str(run.path), "--samples", "3", "--limit", "5"]) == 0
    assert "not told" in capsys.readouterr().out
    assert main(["evaluate", str(run.path), "--samples", "3", "--limit", "5", "--json"]) == 0
    assert "not a likelihood's" in json.loads(capsys.readouterr().out)["caveat"]
    grey = vae.wrap(own.encode, own.decode, images=images(), likelihood="bernoulli", folder=tmp_path)
    assert "a cross-entropy, not a likelihood's" in why_no_likelihood(grey.config, grey.data)


def test_a_later_model_takes_the_place_of_the_one_before(own: ConvVAE, tmp_path: Path) -> None:
    run = vae.wrap(own.encode, own.decode, images=images(), likelihood="gaussian", C=5, folder=tmp_path)
    sha = runs.content_hash(run.path, runs.WEIGHTS)
    own.dense.weight.data += 1
    save_model(run.path, own.encode, own.decode, C=7, step=120)
    again = vae.load_run(run.path)
    z = torch.zeros(1, K)
    with torch.no_grad():
        torch.testing.assert_close(again.model.decode(z).mean, own.eval().decode(z), rtol=1e-4, atol=1e-5)
    assert runs.content_hash(run.path, runs.WEIGHTS) != sha
    assert pytest.approx(7) == again.model.likelihood.C
    other = trained(ConvVAE(k=3))
    with pytest.raises(ConfigError, match="expected 16 latent dimensions, as the run has, got 3"):
        save_model(run.path, other.encode, other.decode)
    assert vae.load_run(run.path).model.k == K  # as it was


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no images": ({"images": None}, "images: expected images that the model has not seen"),
    "no noise": ({"likelihood": "gaussian"}, "C: a gaussian likelihood has a noise"),
    "a strange C": ({"likelihood": "gaussian", "C": -1}, "C: expected a positive finite number"),
    "unknown likelihood": ({"likelihood": "laplace"}, "likelihood: expected one of bernoulli"),
    "unknown latent": ({"latent": "vonmises"}, "latent: expected one of normal"),
    "a mean of bits": ({"likelihood": "bernoulli", "gives": "mean"}, "gives probabilities or logits, not a mean"),
    "logits beyond": ({"gives": "logits", "pixels": (-1, 1)}, "logits lie in .0, 1."),
    "pixels the wrong way": ({"pixels": (1, 0)}, "pixels: expected the lowest and the highest"),
    "images beyond the pixels": ({"images": 2 * images()}, "images: expected values from 0 to 1, got"),
    "images of another size": ({"images": images()[:, :, :12, :12]}, "encoder: "),
    "NaN": ({"images": images() * math.nan}, "images: expected values from 0 to 1, got nan"),
    "swapped": ({"encoder": lambda x: WRAPPED.encode(x)[::-1]}, "seem to be swapped"),
    "three outputs": ({"encoder": lambda x: (*WRAPPED.encode(x), x)}, "encoder: expected it to return .mean"),
    "a draw": ({"encoder": lambda x: torch.randn_like(WRAPPED.encode(x)[0])}, "draws random numbers"),
    "unequal": ({"encoder": lambda x: (WRAPPED.encode(x)[0], WRAPPED.encode(x)[1][:, :3])}, "as many log-variances"),
    "not callable": ({"encoder": 3}, "encoder: expected a torch module, a function of one, or an ONNX file, got int"),
    "another decoder": ({"decoder": lambda z: WRAPPED.decode(z)[:, :, :8]}, "decoder: expected images of shape"),
    "two images": (
        {"decoder": lambda z: (WRAPPED.decode(z), z)},
        "decoder: expected it to return one tensor, got tuple",
    ),
    "labels of a file": ({"images": "digits", "labels": [1]}, "labels: those of a dataset lie in its file"),
    "no file": ({"encoder": "nowhere.onnx"}, "found none; check the path"),
}
WRAPPED = trained(ConvVAE())
WRAPPED.log_variance.bias.data -= 6  # as a trained one: q is narrower than the prior


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_in_a_sentence_and_leaves_nothing(case: str, tmp_path: Path) -> None:
    changed, words = REFUSED[case]
    given = {"encoder": WRAPPED.encode, "decoder": WRAPPED.decode, "images": images(), **changed}
    with pytest.raises((ConfigError, ModelUnreadable), match=words) as caught:
        vae.wrap(**given, folder=tmp_path)
    assert "\n" not in str(caught.value)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


@pytest.mark.parametrize(
    ("names", "words"), [(("logvar", "mu"), "swapped, the mean comes first"), (("mu", "std"), "a standard deviation")]
)
def test_outputs_whose_names_say_another_order_are_refused(
    names: tuple[str, str], words: str, tmp_path: Path, own: ConvVAE
) -> None:
    weight = np.random.default_rng(0).standard_normal((K, 256)).astype(np.float32)
    nodes = [wire.node("Flatten", ["x"], ["f"]), *(wire.node("Gemm", ["f", "w"], [name], transB=1) for name in names)]
    file = wire.model(
        nodes, [wire.tensor("w", weight)], [wire.end("x", ["N", 1, 16, 16])],
        [wire.end(name, ["N", K]) for name in names],
    )  # fmt: skip
    with pytest.raises(ConfigError, match=words):
        vae.wrap(file, own.decode, images=images(), folder=tmp_path)


def test_a_run_whose_model_was_altered_is_refused(own: ConvVAE, tmp_path: Path) -> None:
    run = vae.wrap(own.encode, own.decode, images=images(), folder=tmp_path)
    for name in (runs.WEIGHTS, IMAGES):
        data = (run.path / name).read_bytes()
        (run.path / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises(RunDamaged, match=f"{name} is damaged"):
            _ = vae.load_run(run.path).model if name == runs.WEIGHTS else run.dataset()
        (run.path / name).write_bytes(data)
    runs.save_checked(run.path, {runs.WEIGHTS: b"nothing of the kind"})
    with pytest.raises(RunDamaged, match=r"weights.safetensors cannot be read"):
        _ = vae.load_run(run.path).model


def test_the_command_line_opens_two_files_and_a_python_file(own: ConvVAE, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "e.onnx").write_bytes(export_encoder(own.encode, (1, 16, 16)))
    (tmp_path / "d.onnx").write_bytes(export_decoder(own.decode, K))
    np.savez(tmp_path / "x.npz", images=images()[:, 0].numpy(), labels=np.arange(COUNT) % 4)
    common = ["open", "--images", str(tmp_path / "x.npz"), "--runs", str(tmp_path / "runs"), "--json"]
    files = ["--encoder", str(tmp_path / "e.onnx"), "--decoder", str(tmp_path / "d.onnx")]
    assert main([*common, *files, "--likelihood", "gaussian", "--pixels", "-1,1", "--C", "200", "--name", "mine"]) == 0
    told = json.loads(capsys.readouterr().out)
    run = vae.load_run(told["run"])
    assert (run.name, run.config.C, run.data["classes"]) == ("mine", 800.0, ["0", "1", "2", "3"])
    assert told["rate"] == run.history[0]["test"]["rate"]
    code = "import torch\ndef make():\n    torch.manual_seed(0)\n    front = torch.nn.Sequential(torch.nn.Flatten(),"
    code += " torch.nn.Linear(256, 4))\n    return front, torch.nn.Linear(2, 256)\n"
    (tmp_path / "model.py").write_text(code)
    assert main([*common, "--python", f"{tmp_path / 'model.py'}:make", "--name", "coded"]) == 0
    assert vae.load_run(json.loads(capsys.readouterr().out)["run"]).config.latent_dim == 2
    for words, sentence in {
        ("--python", "model.py"): "python: expected a file and its factory",
        ("--python", f"{tmp_path / 'model.py'}:gone"): "ended with AttributeError",
        ("--encoder", "e.onnx"): "encoder, decoder: expected two ONNX files",
    }.items():
        assert main([*common, *words]) == 2
        assert sentence in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["open", "--help"])
    assert "this code is run" in " ".join(capsys.readouterr().out.split())


def test_two_files_are_told_apart_by_their_names_or_by_what_they_take(own: ConvVAE) -> None:
    front, back = export_encoder(own.encode, (1, 16, 16)), export_decoder(own.decode, K)
    for names in (("encoder.onnx", "b.onnx"), ("a.onnx", "my_decoder.onnx"), ("a.onnx", "b.onnx")):
        files = dict(zip(names, (front, back), strict=True))
        assert told_apart(files) == (front, back)
        assert told_apart(dict(reversed(files.items()))) == (front, back)
    with pytest.raises(ConfigError, match=r"call them encoder\.onnx and decoder\.onnx"):
        told_apart({"a.onnx": wire.dense(4), "b.onnx": wire.dense(4)})
    with pytest.raises(ConfigError, match="expected two ONNX files, an encoder and a decoder, got 1"):
        told_apart({"a.onnx": front})
    with pytest.raises(ModelUnreadable, match=r"^b\.pt: this is a pickle"):
        told_apart({"a.onnx": front, "b.pt": pickle.dumps(3)})


def test_the_page_never_reaches_the_python_file() -> None:
    """No page and nothing of the user interface imports what runs a file of code."""
    root = Path(__file__).resolve().parents[3]
    files = [*root.glob("pages/*.py"), *root.glob("ui/**/*.py"), root / "app.py"]
    assert files
    assert not [file for file in files if "python_file" in file.read_text() or "networks_from" in file.read_text()]


def test_without_onnx_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch, own: ConvVAE) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "onnx" else real(name, *more))
    with pytest.raises(ConfigError, match=r"encoder: torch needs the package onnx .* pip install onnx onnxscript"):
        export_encoder(own.encode, (1, 16, 16))

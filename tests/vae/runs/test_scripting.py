"""Training from Python: records as they come, the model, a run that opens like any other, a line of progress."""

from __future__ import annotations

import dataclasses
import io
import itertools
import pydoc
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import vae
from tests.vae.train_run import train_run
from vae import Config, Knobs, elbo_terms, iw_bound, kl_normal, load_dataset, load_run, runs, train
from vae.errors import ConfigError, ElboRoomError
from vae.runs import scripting
from vae.runs.moments import list_moments
from vae.runs.preview import unpack
from vae.runs.scripting import Progress
from vae.runs.start import Request
from vae.training.records import Record

ROOT = Path(__file__).parents[3]
SMALL = Config(
    dataset="digits", likelihood="gaussian", hidden=(8,), epochs=3, batch_size=64, record_every=10, threads=1
)

ZEROS = torch.zeros(1, 1, 8, 8)
OTHER = "expected torch.float32 as the model's own numbers are, got torch."


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ELBO_ROOM_RUNS", str(tmp_path))
    return tmp_path


def test_a_saved_training_is_the_run_that_the_command_line_trains(folder: Path) -> None:
    training = train(SMALL)
    records = list(training)
    assert all(isinstance(record, Record) for record in records)
    run = training.save("mine")
    same = runs.create_run(training.config, run.data, "same")
    assert train_run(same).state == "finished"
    assert [without_time(line) for line in run.history] == [without_time(line) for line in runs.read_history(same)]
    mine, theirs = run.model.state_dict(), load_run(same).model.state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    status, expected = runs.read_status(run.path), runs.read_status(same)
    for name in ("state", "step", "epoch", "total_steps", "message"):
        assert getattr(status, name) == getattr(expected, name), name
    assert unpack((run.path / "preview/live.bin").read_bytes())[0] == training.step == 68
    assert {f.name for f in run.path.iterdir()} >= {f.name for f in same.iterdir()} - {"log.txt"}
    assert list_moments(run.path) == list_moments(same) != []
    assert training.save("mine").name == "mine-2"


def without_time(line: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name != "seconds"}


def test_a_training_cut_short_goes_on_as_a_run(folder: Path) -> None:
    whole = train(SMALL).finish()
    training = train(SMALL)
    for record in training:
        if record.step == 30:
            break
    run = training.save("half")
    assert runs.read_status(run.path).message == "Stopped at step 30 of 68."
    config = dataclasses.replace(SMALL, epochs=4)
    assert train_run(run.path, request=Request(epochs=4)).state == "finished"  # as `resume --epochs 4` does
    expected = train(config).finish()
    assert [line["train"]["elbo"] for line in run.history if "train" in line and line["step"] <= 60] == pytest.approx(
        [e.train.elbo for e in whole.history if isinstance(e, Record) and e.step <= 60]
    )
    assert run.history[-1]["step"] == expected.step


def test_the_model_is_the_trained_one_and_stays_as_it_was() -> None:
    training = train(SMALL)
    model = training.model  # nobody asked for a record: it trains to the end
    assert training.step == 68
    x = load_dataset("digits").to_float(load_dataset("digits").test)
    terms = elbo_terms(model, x, 1, torch.Generator().manual_seed(1))
    last = training.history[-1]
    assert isinstance(last, Record)
    assert last.test is not None
    assert float(terms.rate.mean()) == pytest.approx(last.test.rate, rel=1e-5)
    assert not any(p.requires_grad for p in model.parameters())
    steered = train(SMALL, Knobs(lr_factor=3.0))
    next(steered)
    early = steered.model
    before = {name: value.clone() for name, value in early.state_dict().items()}
    assert steered.step == 10
    steered.finish()
    assert all(torch.equal(before[name], value) for name, value in early.state_dict().items())
    assert not torch.equal(before["encoder.1.weight"], steered.model.state_dict()["encoder.1.weight"])


def test_an_interrupted_training_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    knobs = Knobs()
    training = train(SMALL, knobs)
    real, calls = training._trainer.update, itertools.count(1)

    def interrupted(*arguments: Any) -> None:
        if next(calls) == 25:
            raise KeyboardInterrupt
        real(*arguments)

    monkeypatch.setattr(training._trainer, "update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        training.finish()
    assert training.step == 24
    knobs.stop = True
    assert training.finish().step == 24
    knobs.stop = False
    assert training.finish().step == 68
    assert list(training) == []
    assert [event.step for event in training.history] == [10, 20, 30, 40, 50, 60, 68]


def test_images_that_the_config_does_not_name_are_not_saved_under_its_name(folder: Path) -> None:
    digits = load_dataset("digits")
    few = dataclasses.replace(
        digits, info=dataclasses.replace(digits.info, train=100), train=digits.train[:100], train_labels=None
    )
    training = train(SMALL, dataset=few).finish()
    with pytest.raises(ConfigError, match=r"opened with 'digits', whose train is 1437, .* whose train is 100"):
        training.save("mine")
    assert list(folder.iterdir()) == []
    np.save(folder / "digits.npy", digits.train.squeeze(1).numpy())
    with pytest.raises(ConfigError, match=r"whose name is digits.npy, but .* 'digits'"):
        training.save("mine", dataset=folder / "digits.npy")


def test_loaded_images_say_what_they_are(folder: Path) -> None:
    images = np.random.RandomState(0).randint(0, 256, (60, 8, 8)).astype(np.uint8)
    np.save(folder / "mine.npy", images)
    training = train(SMALL, dataset=load_dataset(folder / "mine.npy"))
    with pytest.raises(ConfigError, match=r"give the name or file of those images, save\(dataset=...\)"):
        training.save()
    run = training.save("mine", dataset=folder / "mine.npy")
    assert torch.equal(run.dataset().test, load_dataset(folder / "mine.npy").test)
    view = load_dataset("digits", binarize="threshold")
    binary = train(Config(dataset="mnist", epochs=1, hidden=(4,)), dataset=view)
    assert (binary.config.dataset, binary.config.binarize, binary.config.likelihood) == (
        "digits",
        "threshold",
        "bernoulli",
    )
    assert torch.equal(binary.save("view").dataset().test, view.test)
    drawn = train(Config(likelihood="bernoulli", epochs=1, hidden=(4,)), dataset=load_dataset("digits"))
    assert drawn.config.binarize == "epoch"
    grey = train(Config(binarize="threshold", epochs=1, hidden=(4,)), dataset=load_dataset("digits"))
    assert torch.equal(grey.save("grey").dataset().train, view.train)
    assert set(grey._trainer.images.unique().tolist()) == {0, 1}


def test_progress_is_one_line_in_a_terminal_and_nothing_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for terminal, wanted, shown in (
        (True, None, True),
        (True, False, False),
        (False, None, False),
        (False, True, True),
    ):
        out = Terminal() if terminal else io.StringIO()
        monkeypatch.setattr(sys, "stderr", out)
        training = train(SMALL, progress=wanted).finish()
        assert bool(out.getvalue()) == shown
        if shown:
            last = training.history[-1]
            assert isinstance(last, Record)
            assert last.test is not None
            lines = out.getvalue().split("\r")
            told = f"step 68 of 68, held-out ELBO {last.test.elbo:,.2f} nats"
            assert [line.rstrip(" \n") for line in lines if "step 68" in line] == [told]
            assert out.getvalue().count("\n") == 1
            assert out.getvalue().isascii()


def test_a_loop_may_print_between_two_lines_of_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    for _ in train(SMALL, progress=True):
        last = out.getvalue().rsplit("\r", 2)[1:]
        assert last[0].strip() == last[1] == ""  # wiped, the cursor at the start


def test_a_notebook_gets_its_line_on_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    assert Progress(train(SMALL, progress=False)._trainer).out is out
    assert scripting._watched()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: train("digits"), "config: expected a Config, got str; Config(dataset=...) makes one"),
        (lambda: train(SMALL, dataset=np.zeros((50, 8, 8))), "dataset: expected a Dataset, got ndarray; load_dataset"),
        (lambda: train(SMALL, {"C": 1}), "knobs: expected a Knobs, got dict"),
        (lambda: Config(hidden=400), "hidden: expected widths from 1 to 1,048,576 such as 400 or 512,256, got 400"),
        (lambda: Config(hidden="400"), "hidden: expected widths"),
        (lambda: Config(hidden=[4, None]), "hidden: expected widths"),
        (lambda: Config(C=np.array([1.0, 2.0])), "C: expected one value, got an array of shape (2,)"),
        (lambda: Config(latent_dim=np.float64(2.5)), "latent_dim: expected a whole number from 1 to 512, got 2.5"),
        (lambda: Config(device=None), "device: expected a text, got None"),
        (lambda: Config(network=["mlp"]), "network: expected a text, got ['mlp']"),
        (lambda: Config(estimator=3), "estimator: expected a text, or None for the default, got 3"),
        (lambda: Config(lr_schedule=None), "lr_schedule: expected a text"),
        (lambda: Config.from_json({"dataset": 5}), "dataset: expected a text, got 5"),
        (lambda: Config(lr=10**400), "lr: expected a number below 2^1023, got one of 1,329 bits"),
        (lambda: elbo_terms(demo().model, torch.zeros(1, 1, 8, 8), 1, 0), "generator: expected a torch.Gen"),
        (lambda: drawn([]), "generator: expected a torch.Generator, or a list of them, got an empty list; torch.Gen"),
        (lambda: drawn([1]), "generator: expected a torch.Generator, or a list of them, got a list with int; torch."),
        (lambda: drawn("ab"), "generator: expected a torch.Generator, or a list of them, got str; torch.Generator()"),
        (lambda: drawn([torch.Generator()] * 4), "generator: expected as many as share the 6 rows evenly, got 4"),
        (lambda: load_dataset("digits", binarize=np.zeros(2)), "binarize: expected one of none, threshold"),
        (lambda: demo().dataset().to_float(np.zeros((1, 1, 8, 8))), "x: expected a torch tensor of images, got nd"),
        (lambda: Knobs(stop="no"), "stop: expected True or False, got 'no'"),
        (lambda: Knobs(paused=np.datetime64("2020")), "paused: expected True or False, got datetime.date(2020, 1, 1)"),
        (lambda: Knobs(steps_requested=2.5), "steps_requested: expected a whole number from 0 to 2^63 - 1, got 2.5"),
        (lambda: Knobs(revision=True), "revision: expected a whole number from 0 to 2^63 - 1, got True"),
        (lambda: Knobs(C=torch.ones((), device="meta")), "C: expected one value, got a Tensor without a number in it"),
        (lambda: Config(hidden=[torch.ones((), device="meta")]), "hidden: expected one value, got a Tensor without"),
        (lambda: Config(hidden=torch.ones(2, device="meta")), "hidden: expected one value, got a Tensor without"),
        (lambda: Knobs(C=np.ones(3)), "C: expected one value, got an array of shape (3,)"),
        (lambda: load_dataset(np.zeros(3)), "dataset: expected a name or the path of an .npz or .npy file, got nd"),
        (lambda: load_run(3), "run: expected a name or a directory, got int"),
        (lambda: demo().model.encode(np.zeros((1, 1, 8, 8))), "x: expected a torch tensor of floats, got ndarray"),
        (lambda: elbo_terms(demo().model, demo().dataset().test[:2]), "x: expected floats, got torch.uint8; the"),
        (lambda: demo().model.decode(np.zeros(2)), "z: expected a torch tensor of floats, got ndarray; torch.as_tensor("
         "z, dtype=torch.float32) makes one"),
        (lambda: demo().model.encode(ZEROS.double()), f"x: {OTHER}float64; x.to(torch.float32) makes them"),
        (lambda: demo().model.decode(torch.zeros(1, 2).half()), f"z: {OTHER}float16; z.to(torch.float32) makes them"),
        (lambda: elbo_terms(demo().model, ZEROS.bfloat16()), f"x: {OTHER}bfloat16; x.to(torch.float32) makes them"),
        (lambda: iw_bound(demo().model, ZEROS.half(), 2), f"x: {OTHER}float16; x.to(torch.float32) makes them"),
        (lambda: demo().model.double().encode(ZEROS), "x: expected torch.float64 as the model's own numbers are, got"),
        (lambda: elbo_terms(demo(), ZEROS), "model: expected a Model, got Run; run.model is one"),
        (lambda: iw_bound(train(SMALL), ZEROS, 2), "model: expected a Model, got Training; training.model is one"),
        (lambda: elbo_terms(None, ZEROS), "model: expected a Model, got NoneType; load_run(name).model is one"),
        (lambda: iw_bound("x", ZEROS, 2), "model: expected a Model, got str; load_run(name).model is one"),
        (lambda: elbo_terms(np.zeros(2), ZEROS), "model: expected a Model, got ndarray; load_run(name).model is one"),
        (lambda: demo().model.decode(torch.zeros(3)), "z: expected codes of shape (..., 2), got (3,)"),
        (lambda: train(SMALL).save(3), "name: expected a text, or None for the default, got 3"),
        (lambda: train(SMALL).save(np.array([1])), "name: expected a text, or None for the default, got array([1])"),
        (lambda: train(SMALL).save(b"x"), "name: expected a text, or None for the default, got b'x'"),
        (lambda: train(SMALL).save("mine", 3), "folder: expected a text, or None for the default, got 3"),
        (lambda: kl_normal(*[np.ones(2)] * 4), "loc1: expected a torch tensor of floats, got ndarray"),
        (lambda: elbo_terms(demo().model, torch.zeros(1, 1, 8, 8), np.float32(2)), "samples: expected a whole number"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_refused_in_a_sentence(make: Any, sentence: str) -> None:
    with pytest.raises(ElboRoomError) as caught:
        make()
    assert str(caught.value).startswith(sentence)


def drawn(generators: Any) -> Any:
    return elbo_terms(demo().model, torch.zeros(6, 1, 8, 8), 1, generators)


def demo() -> runs.Run:
    return load_run(ROOT / "checkpoints" / "demo-digits-2d")


def test_numbers_of_numpy_and_torch_are_numbers(tmp_path: Path) -> None:
    given = Config(
        dataset=tmp_path / "a.npz", latent_dim=np.int64(3), C=np.float32(0.5), lr=np.float64(1e-3), seed=np.uint8(7),
        hidden=np.array([40, 20]), epochs=torch.tensor(2), binarize=np.str_("none"), record_every=np.array(4),
    )  # type: ignore[arg-type]  # fmt: skip
    plain = Config(
        dataset=str(tmp_path / "a.npz"), latent_dim=3, C=0.5, lr=1e-3, seed=7, hidden=(40, 20), epochs=2,
        binarize="none", record_every=4,
    )  # fmt: skip
    assert given == plain
    assert [type(v) for v in dataclasses.astuple(given)] == [type(v) for v in dataclasses.astuple(plain)]
    assert Config(hidden=[400, np.int32(200)]).hidden == (400, 200)  # type: ignore[arg-type]
    assert eval(repr(given), {"Config": Config}) == given
    knobs = Knobs(C=np.float64(2.0), pace=np.int32(5))
    assert [type(knobs.C), type(knobs.pace)] == [float, int]
    assert elbo_terms(demo().model, torch.zeros(1, 1, 8, 8), np.int64(2)).elbo.shape == (1,)  # type: ignore[arg-type]


def test_a_knob_is_refused_where_it_is_turned() -> None:
    knobs = Knobs(C=2.0)
    for name, value in (
        ("C", -1), ("lr_factor", 0), ("part", "both halves"), ("pace", -2.0), ("paused", "False"),
        ("paused", object()), ("stop", 1), ("stop", None), ("steps_requested", "x"), ("steps_requested", -1),
        ("revision", 2.0),
    ):  # fmt: skip
        before = getattr(knobs, name)
        with pytest.raises(ConfigError, match=name):
            setattr(knobs, name, value)
        assert getattr(knobs, name) == before
    knobs.C = np.float32(0.25)  # type: ignore[assignment]
    knobs.stop, knobs.steps_requested = np.True_, np.int64(3)  # type: ignore[assignment]
    assert (knobs.C, type(knobs.C), knobs.stop, knobs.steps_requested) == (0.25, float, True, 3)
    assert [type(knobs.stop), type(knobs.steps_requested)] == [bool, int]


def test_everything_says_what_it_is() -> None:
    run = demo()
    x = run.dataset().to_float(run.dataset().test[:16])
    status = runs.read_status(run.path)
    assert repr(run) == (
        f"Run('demo-digits-2d': digits, gaussian p(x|z), normal z of 2; {status.state} at step {status.step:,})"
    )
    assert repr(load_dataset("digits")) == (
        "Dataset('digits': 1,437 + 360 held-out images 1x8x8, unit values, labelled)"
    )
    assert repr(run.model.encode(x)) == "DiagonalNormal(batch (16,), event (2,))"
    assert repr(run.model.decode(run.model.encode(x).mean)) == "GaussianPixels(batch (16,), pixels (1, 8, 8))"
    assert repr(Config(latent_dim=3)) == "Config(dataset='digits', latent_dim=3)"
    assert repr(train(SMALL)) == "Training('digits', step 0 of 68)"


def test_the_package_lists_what_it_offers() -> None:
    assert set(vae.__all__) < set(dir(vae))
    assert {name for name in dir(vae) if not name.startswith("__")} == set(vae.__all__)
    told = pydoc.plain(pydoc.render_doc(vae))
    for name in vae.__all__:
        assert re.search(rf"^    (class )?{name}\(", told, re.MULTILINE), name


def test_the_readme_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(ROOT / "checkpoints" / "demo-digits-2d", folder / "demo-digits-2d")
    code, *sketches = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    for sketch in sketches:  # around a loop or a model of the reader's own; examples/ has them whole
        compile(sketch, "README.md", "exec")
    names: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["training"].history[-1].step == names["training"].step > 100
    assert load_run("from-python").model.state_dict().keys() == names["training"].model.state_dict().keys()
    assert names["px_z"].mean.shape == (16, 1, 8, 8)
    assert capsys.readouterr().out.count("\n") > 100

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from streamlit.testing.v1 import AppTest

from ui.runs import owners
from ui.train import controls
from vae import runs
from vae.errors import RunBusy
from vae.model.likelihoods import LIKELIHOODS
from vae.runs.start import Request

LEAVING = {"leave-Copy settings", "leave-New run"}  # to the form: for everybody, at all times


def html(app: AppTest) -> str:
    return "\n".join(e.proto.body for e in app.get("html") if not e.proto.body.startswith("<style>"))


def cold(app: AppTest, **query: str) -> AppTest:
    """The page as the first request of a server."""
    app.switch_page("../pages/train.py")
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def only_run(folder: Path) -> Path:
    (path,) = runs.list_runs(folder)
    return path


def test_cold_it_shows_a_form_whose_button_can_be_pressed(app: AppTest) -> None:
    cold(app)
    assert not app.exception
    assert not app.button(key="start").disabled
    assert app.code[0].value == "python -m vae train --dataset digits"


def test_by_switching_from_home(app: AppTest) -> None:
    app.run().switch_page("../pages/train.py").run()
    assert not app.exception
    assert app.button(key="start").label == "Start training"


def test_one_click_creates_the_run_and_shows_it_at_once(
    app: AppTest, runs_folder: Path, engine: Any, browser_of: Callable[[str], str]
) -> None:
    owner = browser_of("alice")
    cold(app).button(key="start").click().run()
    path = only_run(runs_folder)
    assert not app.exception
    assert engine.submitted == [(path, owner)]
    assert owners.recorded_owner(path) == owner
    assert app.query_params["run"] == path.name
    assert app.button(key="stop").label == "Stop"
    config, data = runs.read_config(path)
    assert (config.likelihood, config.C, config.latent_dim) == ("gaussian", "fit", 2)
    assert data["train"] == 1437
    assert runs.read_knobs(path).pace == 150.0


def test_only_likelihoods_that_fit_the_data_are_offered(app: AppTest, tmp_path: Path) -> None:
    cold(app)
    assert app.selectbox(key="train-likelihood").options == ["automatic", *LIKELIHOODS]
    app.selectbox(key="train-likelihood").set_value("bernoulli").run()
    images = numpy.random.default_rng(0).normal(size=(40, 8, 8)).astype("float32")
    numpy.savez(tmp_path / "real.npz", images=images, support="real")
    app.button_group(key="train-dataset").set_value("your own file").run()
    app.text_input(key="train-path").set_value(str(tmp_path / "real.npz")).run()
    real = [name for name, likelihood in LIKELIHOODS.items() if likelihood.support == "real"]
    assert app.selectbox(key="train-likelihood").options == ["automatic", *real]
    assert app.selectbox(key="train-likelihood").value == "automatic"
    assert not app.button(key="start").disabled


def test_a_file_that_is_none_is_explained(app: AppTest, tmp_path: Path) -> None:
    (tmp_path / "no.npy").write_bytes(b"no array")
    cold(app).button_group(key="train-dataset").set_value("your own file").run()
    app.text_input(key="train-path").set_value(str(tmp_path / "no.npy")).run()
    assert not app.exception
    assert app.button(key="start").disabled


def test_a_bernoulli_on_grey_data_says_that_it_binarises(app: AppTest, runs_folder: Path) -> None:
    cold(app).selectbox(key="train-likelihood").set_value("bernoulli").run()
    assert "drawn anew" in html(app)
    app.button(key="start").click().run()
    config, data = runs.read_config(only_run(runs_folder))
    assert (config.binarize, data["support"]) == ("epoch", "binary")


def test_a_press_right_after_typing_starts_what_was_typed(app: AppTest, runs_folder: Path) -> None:
    cold(app).text_input(key="train-C").set_value("10")
    app.number_input(key="train-latent_dim").set_value(7)
    app.button(key="start").click().run()  # one message with all three, as a browser sends what comes in a hurry
    config, _ = runs.read_config(only_run(runs_folder))
    assert (config.C, config.latent_dim) == (10, 7)


@pytest.mark.parametrize(
    ("field", "value", "words"), [("hidden", "4x4", "expected widths"), ("C", "nan", "expected a positive")]
)
def test_a_setting_that_cannot_be_is_explained_and_nothing_starts(
    app: AppTest, runs_folder: Path, field: str, value: str, words: str
) -> None:
    cold(app).text_input(key=f"train-{field}").set_value(value).run()
    assert words in html(app)
    assert app.button(key="start").disabled
    assert runs.list_runs(runs_folder) == []


def test_choices_belong_to_their_dataset_and_defaults_are_one_click_back(app: AppTest) -> None:
    cold(app).button_group(key="train-dataset").set_value("mnist").run()
    assert app.button(key="defaults").disabled
    app.number_input(key="train-epochs").set_value(8)
    app.number_input(key="train-latent_dim").set_value(10)
    app.button_group(key="train-dataset").set_value("digits").run()
    assert app.code[0].value == "python -m vae train --dataset digits"
    assert app.number_input(key="train-epochs").value is None
    app.button_group(key="train-dataset").set_value("mnist").run()
    assert app.code[0].value == "python -m vae train --dataset mnist --latent-dim 10 --epochs 8"
    app.button(key="defaults").click().run()
    assert not app.exception
    assert app.code[0].value == "python -m vae train --dataset mnist"
    assert app.button(key="defaults").disabled


def test_a_press_that_comes_with_the_choice_of_a_dataset_starts_it_by_its_own_defaults(
    app: AppTest, runs_folder: Path
) -> None:
    cold(app).button_group(key="train-dataset").set_value("mnist").run()
    app.number_input(key="train-epochs").set_value(8).run()
    app.button_group(key="train-dataset").set_value("digits")
    app.button(key="start").click().run()
    config, _ = runs.read_config(only_run(runs_folder))
    assert (config.dataset, config.epochs) == ("digits", 800)


def test_files_are_for_those_who_sit_at_this_machine(
    app: AppTest, tmp_path: Path, runs_folder: Path, sit: Callable[[bool], None]
) -> None:
    numpy.save(tmp_path / "own.npy", numpy.random.default_rng(0).random((20, 4, 4)))
    cold(app).button_group(key="train-dataset").set_value("your own file").run()
    app.text_input(key="train-path").set_value(str(tmp_path / "own.npy")).run()
    assert not app.button(key="start").disabled
    sit(False)
    app.button(key="start").click().run()  # as a forged message would
    assert not app.exception
    assert "for those who sit at the server&#x27;s own machine" in html(app)
    assert runs.list_runs(runs_folder) == []
    assert "your own file" not in app.button_group(key="train-dataset").options


def test_the_command_line_is_the_form(app: AppTest) -> None:
    cold(app)
    app.number_input(key="train-latent_dim").set_value(8)
    app.text_input(key="train-hidden").set_value("128, 64")
    app.text_input(key="train-C").set_value("10")
    app.text_input(key="train-name").set_value("my run").run()
    assert (
        app.code[0].value == "python -m vae train --dataset digits --C 10 --latent-dim 8 --hidden 128,64 --name my-run"
    )


def test_a_deep_link_to_an_unknown_run_says_so_and_shows_the_form(app: AppTest) -> None:
    cold(app, run="never-was")
    assert not app.exception
    assert "There is no run named “never-was”" in html(app)
    assert not app.button(key="start").disabled


@pytest.mark.parametrize("name", ["../../etc", "a/b", "\0", "", "x" * 500, "<b>x</b>", "con"])
def test_hostile_run_names_stay_outside(app: AppTest, name: str) -> None:
    cold(app, run=name)
    assert not app.exception
    assert "<b>x" not in html(app)
    assert not app.button(key="start").disabled


def test_unknown_parameters_are_left_out_with_a_notice(app: AppTest) -> None:
    cold(app, C="nan", lr="1e309", **{f"p{i}": "1" for i in range(50)})
    assert not app.exception
    assert "49 more" in html(app)
    assert not app.query_params


@pytest.mark.parametrize(
    ("state", "buttons", "words"),
    [
        ("finished", {"train-on", "undo-C"}, "All epochs are done"),
        ("stopped", {"continue", "undo-C"}, "Continue starts it."),
        ("interrupted", {"continue", "undo-C"}, "Continue resumes"),
        ("diverged", {"continue", "undo-C"}, "Lower the learning rate"),
        ("failed", {"continue", "undo-C"}, "tries once more"),
        ("queued", {"pause", "step", "stop", "undo-C"}, ""),
        ("resting", {"pause", "step", "stop", "undo-C"}, "Resume puts it back into the queue"),
    ],
)
def test_each_state_has_its_buttons_and_its_advice(
    app: AppTest, make_run: Callable[..., Path], state: str, buttons: set[str], words: str
) -> None:
    cold(app, run=make_run("run", state=state).name)
    assert not app.exception
    assert {b.key for b in app.button} == buttons | LEAVING
    assert words in html(app)


@pytest.mark.parametrize(("step", "words"), [(20, "other values of C or other"), (21, "Lower the learning rate")])
def test_an_early_divergence_is_not_blamed_on_the_learning_rate(
    app: AppTest, make_run: Callable[..., Path], step: int, words: str
) -> None:
    path = make_run("run", state="diverged")
    runs.write_status(path, runs.Status(state="diverged", step=step))
    (path / runs.STATE).parent.mkdir(exist_ok=True)
    cold(app, run=path.name)
    assert words in html(app)
    assert ("learning rate on this page" in html(app)) == (step > 20)


def test_the_buttons_write_knobs_and_ask_the_engine(app: AppTest, make_run: Callable[..., Path], engine: Any) -> None:
    path = make_run("run", state="queued")
    with runs.run_lock(path):
        runs.write_status(path, runs.Status(state="running", step=5, total_steps=100))
        cold(app, run="run")
        app.button(key="pause").click().run()
        assert runs.read_knobs(path).paused
        app.button(key="step").click().run()
        assert runs.read_knobs(path).steps_requested == 1
        app.button(key="resume").click().run()
        assert not runs.read_knobs(path).paused
        app.button(key="stop").click().run()
    assert engine.stopped == [path]


def test_a_run_that_gave_its_place_up_can_be_resumed_and_stopped_but_not_stepped(
    app: AppTest, make_run: Callable[..., Path], engine: Any
) -> None:
    path = make_run("run", state="resting")
    runs.change_knobs(path, paused=True)
    cold(app, run="run")
    assert [app.button(key=key).disabled for key in ("resume", "step", "stop")] == [False, True, False]
    app.button(key="resume").click().run()
    assert not runs.read_knobs(path).paused


def test_continue_submits_again(app: AppTest, make_run: Callable[..., Path], engine: Any) -> None:
    path = make_run("run")
    cold(app, run="run").button(key="continue").click().run()
    assert [p for p, _ in engine.submitted] == [path]


@pytest.mark.parametrize(("state", "button"), [("stopped", "continue"), ("finished", "train-on")])
def test_other_data_are_told_before_anything_changes(
    app: AppTest, make_run: Callable[..., Path], engine: Any, state: str, button: str
) -> None:
    path = make_run("run", state=state)
    config, data = runs.read_config(path)
    runs.replace_config(path, config, {**data, "digest": "0" * 64})
    cold(app, run="run")
    before = {file.name: file.read_bytes() for file in path.glob("*.json")}
    app.button(key=button).click().run()
    assert not app.exception
    assert "digits: not the data that run &#x27;run&#x27; was made with" in html(app)
    assert engine.submitted == []
    assert {file.name: file.read_bytes() for file in path.glob("*.json")} == before


def test_a_file_of_ones_own_is_kept_by_its_absolute_path(
    app: AppTest, runs_folder: Path, engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numpy.save(tmp_path / "own.npy", numpy.random.default_rng(0).random((20, 4, 4)))
    monkeypatch.chdir(tmp_path)
    cold(app).button_group(key="train-dataset").set_value("your own file").run()
    app.text_input(key="train-path").set_value("~nouser/own.npy").run()
    assert not app.exception
    assert "no user &#x27;~nouser&#x27; on this machine" in html(app)
    app.text_input(key="train-path").set_value("own.npy").run()
    app.button(key="start").click().run()
    assert not app.exception
    config, data = runs.read_config(only_run(runs_folder))
    assert (config.dataset, data["path"]) == (str(tmp_path / "own.npy"), str(tmp_path / "own.npy"))
    assert len(data["digest"]) == 64


def test_a_finished_run_trains_on_as_long_again(app: AppTest, make_run: Callable[..., Path], engine: Any) -> None:
    path = make_run("run", state="finished")
    epochs = runs.read_config(path)[0].epochs
    cold(app, run="run").button(key="train-on").click().run()
    assert [p for p, _ in engine.submitted] == [path]
    assert engine.requests == [Request(epochs=2 * (epochs or 1))]
    assert runs.read_config(path)[0].epochs == epochs  # its process changes that, when all is checked


def test_the_knobs_of_the_panel(app: AppTest, make_run: Callable[..., Path]) -> None:
    path = make_run("run")
    cold(app, run="run")
    app.button_group(key="knob-part-run").set_value("decoder").run()
    app.select_slider(key="knob-lr_factor-run").set_value(0.3).run()
    app.selectbox(key="knob-pace-run").set_value(20.0).run()
    knobs = runs.read_knobs(path)
    assert (knobs.part, knobs.lr_factor, knobs.pace) == ("decoder", 0.3, 20.0)
    app.selectbox(key="knob-pace-run").set_value(0.0).run()
    assert runs.read_knobs(path).pace is None
    runs.change_knobs(path, part="encoder")  # another tab
    assert app.run().button_group(key="knob-part-run").value == "encoder"


def test_what_stands_in_a_history_is_no_markdown(app: AppTest, make_run: Callable[..., Path]) -> None:
    picture = {"step": 9, "knob": "C", "value": "![x](http://127.0.0.1:9977/k)"}
    make_run("run", C=5.0, history=[{"step": 8, "knob": "C", "value": 2.0}, picture, {"step": 10, "train": "abc"}])
    cold(app, run="run")
    assert not app.exception
    assert app.button(key="undo-C").label == "Undo C, back to 5"
    assert "line 2, value: expected a finite number" in html(app)
    assert "and 1 more" in html(app)


def test_settings_that_the_form_does_not_offer_are_left_out_and_named(
    app: AppTest, make_run: Callable[..., Path]
) -> None:
    make_run("old", latent="of-tomorrow", samples=600, seed=2**60, lr=5.0, epochs=7)
    cold(app, **{"from": "old"})
    assert not app.exception
    assert "settings that the form does not offer (latent, samples, lr, seed)" in html(app)
    assert app.number_input(key="train-epochs").value == 7
    assert app.number_input(key="train-seed").value == 0


def test_undo_C_goes_back_one_change(app: AppTest, make_run: Callable[..., Path]) -> None:
    path = make_run("run", C=5.0, history=[{"step": 10, "knob": "C", "value": 50.0}])
    runs.change_knobs(path, C=50.0)
    cold(app, run="run")
    assert app.button(key="undo-C").label == "Undo C, back to 5"
    app.button(key="undo-C").click().run()
    assert runs.read_knobs(path).C == 5.0
    assert app.button(key="undo-C").disabled


def test_another_browsers_run_is_only_watched(
    app: AppTest, make_run: Callable[..., Path], browser_of: Callable[[str], str], engine: Any
) -> None:
    path = make_run("run")
    owners.record_owner(path, browser_of("alice"))
    browser_of("bob")
    cold(app, run="run")
    assert {button.key for button in app.button if not button.disabled} == LEAVING
    assert "Another browser started this run" in html(app)
    controls.resume(path, runs.read_config(path)[0])  # as a forged message would
    controls.change(path, C=3.0)
    assert runs.read_knobs(path).C is None
    assert engine.submitted == []


def test_an_ownerless_run_is_only_watched_over_the_network(
    app: AppTest, make_run: Callable[..., Path], sit: Callable[[bool], None], engine: Any
) -> None:
    path = make_run("run")
    cold(app, run="run")
    assert not app.button(key="continue").disabled
    sit(False)
    app.run()
    assert {button.key for button in app.button if not button.disabled} == LEAVING
    assert "only on the server&#x27;s own machine" in html(app)
    controls.resume(path, runs.read_config(path)[0])  # as a forged message would
    controls.train_on(path, runs.read_config(path)[0])
    controls.stop(path)
    controls.change(path, C=3.0)
    assert runs.read_knobs(path).C is None
    assert engine.submitted == engine.stopped == []


def test_a_browser_without_cookies_steers_what_it_started_as_long_as_its_tab_lives(
    app: AppTest, runs_folder: Path, sit: Callable[[bool], None], engine: Any
) -> None:
    sit(False)
    cold(app).button(key="start").click().run()
    path = only_run(runs_folder)
    ((_, owner),) = engine.submitted
    assert owners.recorded_owner(path) == owner
    assert not app.button(key="stop").disabled
    another_tab = AppTest.from_file(app._script_path, default_timeout=120)
    cold(another_tab, run=path.name)
    assert another_tab.button(key="stop").disabled
    sit(True)
    assert not another_tab.run().button(key="stop").disabled


def test_a_demo_cannot_be_continued(app: AppTest, make_run: Callable[..., Path]) -> None:
    path = make_run("demo-digits")
    runs.mark_as_shipped(path)
    cold(app, run=path.name)
    assert "stays as it is" in html(app)
    assert app.button(key="continue").disabled


def test_copying_the_settings_fills_the_form(app: AppTest, make_run: Callable[..., Path], runs_folder: Path) -> None:
    make_run("old", latent_dim=7, hidden=(64, 32), C=20.0, lr=3e-4, precision="bfloat16", seed=5)
    cold(app, **{"from": "old"})
    assert app.number_input(key="train-latent_dim").value == 7
    assert app.text_input(key="train-hidden").value == "64, 32"
    app.number_input(key="train-latent_dim").set_value(9).run()
    assert app.number_input(key="train-latent_dim").value == 9
    app.button(key="start").click().run()
    config, _ = runs.read_config(next(p for p in runs.list_runs(runs_folder) if p.name != "old"))
    assert (config.latent_dim, config.hidden, config.C, config.seed) == (9, (64, 32), 20.0, 5)
    assert (config.lr, config.precision) == (3e-4, "bfloat16")


@pytest.mark.parametrize(
    ("setting", "text", "key", "value"),
    [
        ("latent", "full-normal", "train-latent", "full-normal"),
        ("latent_dim", "4", "train-latent_dim", 4),
        ("hidden", "128, 64", "train-hidden", "128, 64"),
        ("epochs", "12", "train-epochs", 12),
    ],
)
def test_the_address_changes_a_copied_setting(
    app: AppTest, make_run: Callable[..., Path], setting: str, text: str, key: str, value: Any
) -> None:
    make_run("old", latent_dim=7, hidden=(64, 32), epochs=30)
    cold(app, **{"from": "old", setting: text})
    assert "The address" not in html(app)
    assert app.session_state[key] == value
    kept = {"train-latent": "normal", "train-latent_dim": 7, "train-hidden": "64, 32", "train-epochs": 30}
    for other in kept.keys() - {key}:
        assert app.session_state[other] == kept[other]


@pytest.mark.parametrize(
    ("setting", "text", "why"),
    [
        ("latent_dim", "x", "latent_dim = “x”, which cannot be"),
        ("latent_dim", "-3", "cannot be"),
        ("epochs", "1e9", "cannot be"),
        ("epochs", "9" * 5000, "cannot be"),
        ("hidden", "0", "cannot be"),
        ("latent", "quantum", "does not offer (latent)"),
    ],
)
def test_a_setting_of_the_address_that_cannot_be_is_told(
    app: AppTest, make_run: Callable[..., Path], setting: str, text: str, why: str
) -> None:
    make_run("old", latent_dim=7, hidden=(64, 32), epochs=30)
    cold(app, **{"from": "old", setting: text})
    assert why in html(app)
    assert (app.session_state["train-latent_dim"], app.session_state["train-hidden"]) == (7, "64, 32")
    assert (app.session_state["train-latent"], app.session_state["train-epochs"]) == ("normal", 30)


def test_copied_settings_of_a_file_tell_a_stranger_that_the_images_are_others(
    app: AppTest, make_run: Callable[..., Path], sit: Callable[[bool], None]
) -> None:
    make_run("old", dataset="/home/somebody/faces.npz", latent_dim=7)
    sit(False)
    cold(app, **{"from": "old"})
    assert "does not offer (dataset)" in html(app)
    assert app.button_group(key="train-dataset").value == "digits"
    assert app.number_input(key="train-latent_dim").value == 7
    assert "somebody" not in html(app)


def test_a_damaged_run_is_explained(app: AppTest, make_run: Callable[..., Path]) -> None:
    path = make_run("run")
    content = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**content, "format": 99}))
    cold(app, run="run")
    assert not app.exception
    assert "newer version" in html(app)


def test_the_queue_is_told(app: AppTest, make_run: Callable[..., Path], engine: Any) -> None:
    first, second = make_run("first", state="queued"), make_run("second", state="queued")
    engine.queue = [first, second]
    assert "Waiting: number 2 in the queue. “first”" in html(cold(app, run="second"))
    engine.queue = []
    assert "Waiting" not in html(cold(app, run="second"))
    with runs.run_lock(second):
        assert "in another server" in html(cold(app, run="second"))
    engine.words[second] = "Slurm job 17_1 waits (Priority)."
    assert "Slurm job 17_1 waits (Priority)." in html(cold(app, run="second"))


def test_the_end_of_a_log_is_shown_literally_where_there_is_one(app: AppTest, make_run: Callable[..., Path]) -> None:
    path = make_run("run", state="interrupted")
    assert not cold(app, run="run").code
    (path / "log.txt").write_text("**no** module named <b>torch</b>\n")
    (shown,) = cold(app, run="run").code
    assert shown.value == "**no** module named <b>torch</b>"


def test_continue_waits_for_a_process_that_is_just_ending(
    app: AppTest, make_run: Callable[..., Path], engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_run("run")
    refusals = [RunBusy("still there"), RunBusy("still there")]
    submit = engine.submit

    def busy_twice(path: Path, owner: str, request: Request) -> None:
        if refusals:
            raise refusals.pop()
        submit(path, owner, request)

    monkeypatch.setattr(engine, "submit", busy_twice)
    monkeypatch.setattr(controls, "ENDING", 60.0)
    cold(app, run="run").button(key="continue").click().run()
    assert [p for p, _ in engine.submitted] == [path]
    assert "still there" not in html(app)


def test_a_stopped_run_with_a_saved_state_goes_on_from_there(app: AppTest, make_run: Callable[..., Path]) -> None:
    path = make_run("run")
    (path / runs.STATE).parent.mkdir(exist_ok=True)
    (path / runs.STATE).write_bytes(b"")
    cold(app, run="run")
    assert "goes on exactly where it stopped" in html(app)
    assert "Continue starts it" not in html(app)


def risen() -> list[dict[str, Any]]:
    both = ((-5.0, -4.0), (-15.0, -14.0), (-25.0, -10.0))
    measure = [{"train": {"elbo": -train}, "test": {"elbo": -test, "images": 360}} for train, test in both]
    return [{"step": 100 * i, **found} for i, found in enumerate(measure, start=1)]


def test_an_ended_run_that_overfits_says_so(app: AppTest, make_run: Callable[..., Path]) -> None:
    make_run("run", state="finished", history=risen())
    assert "lowest at step 200 (−14.0 nats)" in html(cold(app, run="run"))


@pytest.mark.parametrize(("state", "told"), [("finished", True), ("stopped", False)])
def test_a_finished_run_that_still_improves_says_so(
    app: AppTest, make_run: Callable[..., Path], state: str, told: bool
) -> None:
    losses = [{"elbo": 2.0 * i - 500, "loss": 500 - 2.0 * i} for i in range(101)]
    make_run("run", state=state, history=[{"step": i, "train": loss} for i, loss in enumerate(losses)])
    page = html(cold(app, run="run"))
    assert ("Still improving: the training −ELBO fell by 18.0 ± 0.0 nats" in page) == told
    assert "Train on to see where it ends" in page or not told


def test_the_importance_weighted_bound_is_not_judged_by_its_elbo(app: AppTest, make_run: Callable[..., Path]) -> None:
    make_run("run", state="finished", history=risen(), objective="iwae", samples=5)
    assert "lowest at step" not in html(cold(app, run="run"))


def test_a_run_that_is_deleted_while_it_is_watched_gives_way_to_a_notice(
    app: AppTest, make_run: Callable[..., Path]
) -> None:
    path = make_run("run")
    cold(app, run="run")
    assert not app.button(key="continue").disabled
    shutil.rmtree(path)
    app.run()
    assert not app.exception
    assert "There is no run named “run”" in html(app)
    assert "continue" not in {button.key for button in app.button}


@pytest.mark.parametrize(
    ("widths", "words"),
    [
        (", ".join(["16384"] * 12), "memory: training needs about"),
        (" ".join(["1"] * 5001), "at most 16 layers, got 5,001"),
        ("1048577", "widths from 1 to 1,048,576"),
    ],
)
def test_a_network_that_no_machine_has_room_for_is_a_sentence_and_never_built(
    app: AppTest, runs_folder: Path, monkeypatch: pytest.MonkeyPatch, widths: str, words: str
) -> None:
    monkeypatch.setattr("vae.training.size.memory", lambda device="cpu": 8 * 10**9)
    monkeypatch.setattr("vae.model.vae.build_model", lambda *_: pytest.fail("the server built a network"))
    cold(app).text_input(key="train-hidden").set_value(widths).run()
    assert not app.exception
    assert words in html(app)
    assert app.button(key="start").disabled
    assert app.text_input(key="train-hidden").value == widths
    app.text_input(key="train-hidden").set_value("400").run()
    assert "of disk" in html(app)  # what it takes is told before the start
    assert not app.button(key="start").disabled


def test_a_full_disk_is_said_in_the_form_and_no_folder_is_left(
    app: AppTest, runs_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(".")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    cold(app)
    assert "1 MB of disk are free" in html(app)
    assert app.button(key="start").disabled
    assert runs.list_runs(runs_folder) == []


def test_a_train_on_that_is_refused_is_explained_and_changes_nothing(
    app: AppTest, make_run: Callable[..., Path], engine: Any
) -> None:
    path = make_run("run", state="finished", dataset="/gone/away.npz")
    before = runs.read_status(path)
    cold(app, run="run").button(key="train-on").click().run()
    assert "away.npz: the file that run &#x27;run&#x27; was made with is not there" in html(app)
    assert engine.submitted == []
    assert runs.read_status(path) == before


def test_why_a_run_did_not_go_on_is_shown_beside_how_it_had_ended(
    app: AppTest, make_run: Callable[..., Path], engine: Any
) -> None:
    path = make_run("run", state="finished")
    runs.write_status(path, runs.Status(state="finished", step=7, refused="the images are not those it was trained on"))
    cold(app, run="run")
    assert "It was asked to go on and did not: the images are not those it was trained on" in html(app)
    assert app.button(key="train-on").label == "Train on"
    engine.sentences[path] = "The disk is full. The last checkpoint is whole: make room, then continue."
    assert "The disk is full" in html(app.run())


def test_a_read_only_folder_is_named_and_what_helps(
    app: AppTest, make_run: Callable[..., Path], engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run("run", state="finished")

    def refuse(*_: Any) -> None:
        raise OSError(30, "Read-only file system", "/somewhere/.config.json.d847.tmp")

    monkeypatch.setattr(engine, "submit", refuse)
    cold(app, run="run").button(key="train-on").click().run()
    assert "Run “run” cannot be changed (Read-only file system): make the folder writable" in html(app)
    assert "d847" not in html(app)


def test_what_a_run_goes_on_on_can_be_chosen_where_there_is_a_choice(
    app: AppTest, make_run: Callable[..., Path], engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controls, "gpus", list)
    path = make_run("plain", state="finished")
    assert "go-on-device-plain" not in {box.key for box in cold(app, run="plain").selectbox}
    path = make_run("elsewhere", state="stopped", device="cuda")
    cold(app, run="elsewhere")
    box = app.selectbox(key="go-on-device-elsewhere")
    assert (box.value, box.options) == ("cuda", ["cuda", "auto", "cpu"])
    box.set_value("cpu").run()
    app.button(key="continue").click().run()
    assert engine.submitted[-1][0] == path
    assert engine.requests == [Request(device="cpu")]
    assert "Continues on" not in html(app)
    cold(app, run="elsewhere").selectbox(key="go-on-device-elsewhere").set_value("cuda").run()
    app.button(key="continue").click().run()
    assert engine.requests[-1] == Request()
    assert "not bit for bit: cuda is not here." in html(app)
    monkeypatch.setattr(controls, "gpus", lambda: ["0"])
    assert cold(app, run="plain").selectbox(key="go-on-device-plain").options == ["auto", "cpu", "cuda"]

"""The registry, the settings, and what of the clusters' engines can be told without a cluster."""

from __future__ import annotations

import inspect
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.vae.engines.scripted_runs import new_run
from vae import runs
from vae.engines import batches, doctor, probe, settings
from vae.engines.base import Engine
from vae.engines.engines import ENGINES, chosen, make_engine
from vae.engines.local import LocalEngine
from vae.engines.ray import IN_WORDS, NO_PLACE, Ray
from vae.engines.scheduled import ScheduledEngine, Seen, grouped
from vae.engines.slurm import Slurm, job_script
from vae.engines.states import end_unheld, recover
from vae.errors import ConfigError, EngineError
from vae.files import write_json
from vae.runs.start import Request, request_of
from vae.runs.sweep_mark import SweepMark, write_mark


@pytest.fixture(autouse=True)
def no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("ELBO_ROOM_ENGINE", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path / "elbo-room" / "engines.json"


def write_settings(file: Path, text: str) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)


class FakeScheduler:
    """Has what it is given, and says of it what a test says."""

    name, runs_per_job, tries = "fake", 1, 2

    def __init__(self) -> None:
        self.seen: dict[str, Seen] = {}
        self.sent, self.cancelled, self.looks = 0, [], 0
        self.down = ""

    def _answer(self) -> None:
        if self.down:
            raise EngineError(self.down)

    def send(self, batch: batches.Batch) -> list[str]:
        self._answer()
        return [self.send_again(batch, index) for index in range(len(batch.groups))]

    def send_again(self, batch: batches.Batch, index: int) -> str:
        self.sent += 1
        self.seen[str(self.sent)] = Seen("waiting", "waits")
        return str(self.sent)

    def find(self, batch: batches.Batch) -> Sequence[str]:
        return []

    def look(self) -> Mapping[str, Seen]:
        self._answer()
        self.looks += 1
        return dict(self.seen)

    def why(self, job: str) -> str:
        return f"job {job} lost its machine"

    def cancel(self, jobs: Sequence[str]) -> None:
        self.cancelled += jobs

    def check(self) -> str:
        return "fake 1"

    def log_tail(self, job: str) -> str:
        return f"printed by {job}"


def make(root: Path) -> tuple[FakeScheduler, ScheduledEngine]:
    fake = FakeScheduler()
    return fake, ScheduledEngine(fake, root, look_every=3600)


def test_every_engine_has_every_method_of_the_interface(no_settings: Path, tmp_path: Path) -> None:
    write_settings(no_settings, '{"ray": {"address": "http://127.0.0.1:1"}}')
    wanted = {name for name, _ in inspect.getmembers(Engine, inspect.isfunction) if not name.startswith("_")}
    assert {"submit", "state", "stop", "log_tail"} <= wanted
    for name in ENGINES:
        engine = make_engine(name, tmp_path)
        for method in wanted:
            here, there = (inspect.signature(getattr(kind, method)) for kind in (type(engine), Engine))
            assert list(here.parameters) == list(there.parameters), (name, method)


def test_a_word_comes_before_the_variable_and_that_before_the_file(
    no_settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert chosen() == "local"
    assert isinstance(make_engine(), LocalEngine)
    write_settings(no_settings, '{"engine": "ray"}')
    assert chosen() == "ray"
    monkeypatch.setenv("ELBO_ROOM_ENGINE", "slurm")
    assert (chosen(), chosen("local")) == ("slurm", "local")
    with pytest.raises(ConfigError, match="engine: expected local, slurm, ray, got 'kubernetes'"):
        chosen("kubernetes")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"slurm": {"partitions": "x"}}', "slurm: unknown setting 'partitions'; there are partition, account"),
        ('{"slurm": {"signal": 0}}', "slurm.signal: expected a whole number"),
        ("[", "expected JSON"),
        ('{"ray": {"address": "head:8265"}}', "ray: address: expected the cluster's dashboard"),
    ],
)
def test_settings_that_cannot_be_are_named(no_settings: Path, text: str, words: str) -> None:
    write_settings(no_settings, text)
    with pytest.raises(ConfigError, match=words):
        make_engine("ray")


def test_settings_that_lie_beside_the_runs_are_never_read(
    no_settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "engines.json").write_text('{"engine": "slurm"}')
    monkeypatch.setenv("ELBO_ROOM_RUNS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert settings.read() == {}


def test_a_job_whose_machine_is_lost_is_tried_again_and_then_told_of(tmp_path: Path) -> None:
    fake, engine = make(tmp_path)
    path = new_run(tmp_path)
    engine.submit(path, request=Request(epochs=5))
    assert request_of(path) == Request(epochs=5)
    assert recover(tmp_path) == []  # the cluster has it
    assert runs.read_status(path).state == "queued"
    for number in ("1", "2"):
        fake.seen[number] = Seen("ended", "is gone")
        engine.look_after()  # it may be about to queue again
        assert fake.sent == int(number)
        engine.look_after()
    assert (fake.sent, runs.read_status(path).state) == (2, "interrupted")
    assert runs.read_status(path).message == "job 2 lost its machine; continue resumes the last saved state."
    assert batches.read_all(tmp_path) == []
    assert engine.log_tail(path) == "printed by 2"  # though nobody has the job any more
    engine.look_after()
    assert fake.looks == 4  # nothing is asked where nothing is waited for


def test_a_job_that_found_no_place_is_no_try(tmp_path: Path) -> None:
    fake, engine = make(tmp_path)
    engine.submit(new_run(tmp_path))
    for _ in range(5):
        fake.seen[str(fake.sent)] = Seen("ended", "found no place", never_began=True)
        engine.look_after()
        engine.look_after()
    assert fake.sent == 6


def test_a_scheduler_that_does_not_answer_loses_nothing(tmp_path: Path) -> None:
    fake, engine = make(tmp_path)
    path, other = new_run(tmp_path), new_run(tmp_path, "other")
    engine.submit(path)
    fake.seen.clear()
    fake.down = "The controller sleeps."
    for _ in range(3):
        engine.look_after()
    assert engine.state(path).words.startswith("The controller sleeps.")
    assert runs.read_status(path).state == "queued"
    with pytest.raises(EngineError, match="sleeps"):
        engine.submit(other)
    assert "not handed over" in runs.read_status(other).message
    assert [batch.groups for batch in batches.read_all(tmp_path)] == [(("run",),)]


def test_a_batch_that_was_never_answered_is_found_by_its_name_or_given_up(tmp_path: Path) -> None:
    _, engine = make(tmp_path)
    path = new_run(tmp_path)
    batch = batches.create(tmp_path, "fake", [[path]])
    engine.look_after()
    assert batches.read_all(tmp_path) == [batch]  # its `send` may be under way
    batch.change(sent=batch.sent - 1000)
    engine.look_after()
    engine.look_after()
    assert runs.read_status(path).message.startswith("fake never took it")
    assert batches.read_all(tmp_path) == []


def test_a_stop_reaches_waiting_runs_and_those_at_work(tmp_path: Path) -> None:
    fake, engine = make(tmp_path)
    waiting, working = new_run(tmp_path, "waiting"), new_run(tmp_path, "working")
    engine.submit([waiting, working])
    engine.stop(waiting)
    assert (runs.read_status(waiting).state, fake.cancelled) == ("stopped", [])
    engine.look_after()
    assert fake.cancelled == ["1"]
    held = runs.acquire(working)
    runs.write_status(working, runs.Status(state="running"))
    fake.seen["2"] = Seen("working", "is at work")
    assert engine.active() == [working]
    engine.stop(working)
    assert runs.read_knobs(working).stop
    engine._stop_by = {"2": 0.0}  # it does not react
    engine.look_after()
    assert fake.cancelled == ["1", "2"]
    held.release()
    fake.seen["2"] = Seen("ended", "was cancelled")
    engine.look_after()
    engine.look_after()
    assert runs.read_status(working).state == "stopped"
    assert engine.log_tail(new_run(tmp_path, "third")) == ""


def test_batches_of_strangers_reach_no_run_outside(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / batches.FOLDER
    folder.mkdir(parents=True)
    outside = new_run(tmp_path, "outside")
    batch = {"engine": "fake", "groups": [["../outside", "nobody"]], "jobs": [], "sent": 0.0}
    write_json(folder / "a.json", batch)
    (folder / "b.json").write_text("[" * 3000)
    (found,) = batches.read_all(tmp_path / "runs")
    assert found.paths(0) == []
    _, engine = make(tmp_path / "runs")
    engine.look_after()
    engine.look_after()
    assert runs.read_status(outside).state == "queued"
    assert batches.read_all(tmp_path / "runs") == []


def test_a_chain_of_warm_starts_is_one_job(tmp_path: Path) -> None:
    paths = [new_run(tmp_path, name) for name in "abcdef"]
    for run, before in (("b", "a"), ("c", "b"), ("f", "e")):
        write_mark(tmp_path / run, SweepMark("s", "s", ("C",), before))
    names = [[path.name for path in group] for group in grouped(paths, 1)]
    assert names == [["a", "b", "c"], ["e", "f"], ["d"]]
    assert [len(group) for group in grouped([new_run(tmp_path) for _ in range(5)], 2)] == [2, 2, 1]


def test_the_script_says_environment_python_and_project(tmp_path: Path) -> None:
    script = job_script({"setup": "module load x", "python": "/opt/a b/python"}, "FILE 3", "OUT").splitlines()
    assert script[:3] == ["#!/bin/sh", "exec >>OUT 2>&1", "module load x"]
    assert script[-1] == "exec '/opt/a b/python' -m vae.engines.job FILE 3"


def test_without_slurm_the_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    path = new_run(tmp_path)
    engine = ScheduledEngine(Slurm({}), tmp_path, look_every=3600)
    with pytest.raises(EngineError, match="sbatch is not installed on this machine"):
        engine.submit(path)
    assert runs.read_status(path).state == "interrupted"


class Dashboard(BaseHTTPRequestHandler):
    """A Ray dashboard as far as it is asked; `token` "" lets everybody in."""

    token, met, jobs = "", [], []

    def do_GET(self) -> None:
        given = self.headers.get("Authorization", "")
        self.met.append((self.command, self.path, given))
        if self.token and given != f"Bearer {self.token}":
            self.send_error(403 if given else 401)
            return
        told: Any = self.jobs if self.command == "GET" and self.path == "/api/jobs/" else {"ray_version": "2.60.0"}
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def dashboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(Dashboard, "met", [])
    server = HTTPServer(("127.0.0.1", 0), Dashboard)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_cluster_that_lets_everybody_in_is_refused_unless_told_in_words(dashboard: str) -> None:
    for said in ({}, {"without_authentication": "yes"}):
        with pytest.raises(EngineError, match=r"asks nobody who they are.*RAY_AUTH_MODE=token.*I know it"):
            Ray({"address": dashboard, **said}).check()
    assert "open to everybody" in Ray({"address": dashboard, "without_authentication": IN_WORDS}).check()
    assert not any(given for *_, given in Dashboard.met)


def test_a_token_is_sent_only_where_it_is_asked_for(
    dashboard: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.setattr(Dashboard, "token", "secret")
    values = {"address": dashboard, "token_file": str(tmp_path / "token")}
    with pytest.raises(EngineError, match="asks for a token"):
        Ray(values).check()
    (tmp_path / "token").write_text("secret\n")
    (tmp_path / "token").chmod(0o600)
    assert Ray(values).check() == f"Ray 2.60.0 at {dashboard}, by token"
    assert [given for *_, given in Dashboard.met[1:]] == ["", "Bearer secret"]
    (tmp_path / "token").write_text("wrong")
    with pytest.raises(EngineError, match=r"refuses: .*403"):
        Ray(values).look()


def test_jobs_are_read_as_a_strangers(dashboard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = [
        {"submission_id": None, "status": "RUNNING"},
        {"submission_id": "elbo-room-a-0-0", "status": "FAILED", "message": "no\nplace", "error_type": NO_PLACE},
        {"submission_id": "elbo-room-a-1-0", "status": "RUNNING", "message": "runs."},
    ]
    monkeypatch.setattr(Dashboard, "jobs", listed)
    ray = Ray({"address": dashboard, "without_authentication": IN_WORDS})
    assert ray.look() == {
        "elbo-room-a-0-0": Seen("ended", "is failed: no place", never_began=True),
        "elbo-room-a-1-0": Seen("working", "is running: runs"),
    }
    assert "(FAILED: no place)" in ray.why("elbo-room-a-0-0")
    monkeypatch.setattr(Dashboard, "jobs", [{"submission_id": 5}])
    with pytest.raises(EngineError, match=r"not known here: \[0\].submission_id: expected text"):
        ray.look()
    with pytest.raises(EngineError, match=r"cannot be reached at http://127\.0\.0\.1:1 "):
        Ray({"address": "http://127.0.0.1:1"}).look()


def test_an_end_that_is_written_meanwhile_stays(tmp_path: Path) -> None:
    fake, engine = make(tmp_path)
    path = new_run(tmp_path)
    engine.submit(path)
    end_unheld(path, "stopped", "by itself")
    fake.seen.clear()
    engine.look_after()
    engine.look_after()
    assert runs.read_status(path).message == "by itself"


@pytest.mark.parametrize(
    ("came", "well"),
    [((999.0, 1001.0), True), ((970.0, 1030.0), True), ((1006.0, 1007.0), False), ((990.0, 994.0), False)],
)
def test_an_answer_that_was_long_on_its_way_sets_no_clocks_apart(came: tuple[float, float], well: bool) -> None:
    told = {"digest": "d", "versions": probe.versions(), "host": "h", "time": 1000.0, "lock_seen": True}
    (clocks,) = [check for check in doctor._compare(told, "d", came) if check.name == "clocks"]
    assert clocks.well == well

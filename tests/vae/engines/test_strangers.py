"""What comes from outside changes nothing but its own: forged batches, odd folders' names, rubbish for an answer."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.vae.engines.scripted_runs import new_run
from tests.vae.engines.test_engines import make
from vae import runs
from vae.engines import batches, settings, slurm
from vae.engines.ray import IN_WORDS, Ray
from vae.engines.scheduled import Seen
from vae.engines.slurm import Slurm
from vae.engines.states import tail
from vae.errors import ConfigError, ElboRoomError, EngineError
from vae.files import write_json

ODD = "a b'c\"d $(touch hit) `touch hit`;touch hit%j\\n"  # a folder may be called so


@pytest.mark.parametrize(
    "forged",
    [
        {"jobs": ["1"], "groups": [["run"], ["other"]]},
        {"jobs": ["1", "2"], "groups": [["run"]]},
        {"jobs": ["--user=root"], "groups": [["run"]]},
        {"jobs": ["1 2"], "groups": [["run"]]},
        {"jobs": ["1"], "groups": [["run"]], "done": [7]},
        {"jobs": ["1"], "groups": [["run"]], "tries": [7]},
        {"jobs": ["1"], "groups": [[]], "probe": "/etc"},
        {"jobs": ["1"], "groups": [[]], "probe": ".."},
    ],
)
def test_a_forged_batch_is_none_and_the_others_are_looked_after(tmp_path: Path, forged: dict[str, Any]) -> None:
    fake, engine = make(tmp_path)
    path = new_run(tmp_path)
    engine.submit(path)
    write_json(tmp_path / batches.FOLDER / "aaaaaaaa.json", {"engine": "fake", "sent": 0.0, **forged})
    assert [batch.groups for batch in batches.read_all(tmp_path)] == [(("run",),)]
    fake.seen["1"] = Seen("ended", "is gone")
    engine.look_after()
    engine.look_after()
    assert fake.sent == 2  # handed over again


def test_a_file_whose_name_is_no_token_is_no_batch(tmp_path: Path) -> None:
    make(tmp_path)[1].submit(new_run(tmp_path))
    (file,) = (tmp_path / batches.FOLDER).glob("*.json")
    for name in ("a,b.json", "--help.json", "a b.json"):
        file.with_name(name).write_bytes(file.read_bytes())
    assert [batch.file for batch in batches.read_all(tmp_path)] == [file]


def test_a_group_that_cannot_be_handed_over_again_keeps_no_other_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, engine = make(tmp_path)
    engine.submit([new_run(tmp_path, name) for name in ("one", "two")])
    fake.seen = {job: Seen("ended", "is gone") for job in ("1", "2")}
    again = fake.send_again

    def send_again(batch: batches.Batch, index: int) -> str:
        if index == 0:
            raise EngineError("The cluster is full.")
        return again(batch, index)

    monkeypatch.setattr(fake, "send_again", send_again)
    engine.look_after()
    engine.look_after()
    assert [batch.jobs for batch in batches.read_all(tmp_path)] == [("1", "3")]
    assert engine.state(tmp_path / "one").words.startswith("The cluster is full.")


def test_a_stop_that_the_scheduler_refuses_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake, engine = make(tmp_path)
    path = new_run(tmp_path)
    engine.submit(path)

    def refuse(jobs: object) -> None:
        raise EngineError("The controller sleeps.")

    with monkeypatch.context() as patch:
        patch.setattr(fake, "cancel", refuse)
        engine.stop(path)
        engine.look_after()
    assert fake.cancelled == []
    engine.look_after()
    assert fake.cancelled == ["1"]


def test_a_pipe_is_no_log(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log.txt")
    assert tail(tmp_path / "log.txt") == ""


@pytest.fixture
def odd_folder(tmp_path: Path) -> Path:
    folder = tmp_path / ODD
    folder.mkdir()
    return folder


def test_no_name_is_a_command_in_a_script(tmp_path: Path, odd_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell runs the scripts; `python` tells its arguments, one a line."""
    python = odd_folder / "python"
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)
    values = {"python": str(python), "partition": "x; touch hit", "gres": "$(touch hit)"}
    batch = batches.create(odd_folder, "slurm", [[new_run(odd_folder)]])
    wanted = ["-m", "vae.engines.job", str(batch.file)]
    script = Slurm(values)._script(batch, 2)
    words = {**os.environ, "SLURM_ARRAY_TASK_ID": "5"}
    subprocess.run(["sh"], input=script, env=words, cwd=tmp_path, text=True, check=True)
    assert batch.output(7).read_text().splitlines() == [*wanted, "7"]  # of the batch, not of its second array
    monkeypatch.setenv("ELBO_ROOM_DATA", ODD)
    script = Ray({"address": "http://head:8265", **values})._script(batch, 0)
    subprocess.run(["sh", "-c", script], cwd=tmp_path, check=True)
    assert batch.output(0).read_text().splitlines() == [*wanted, "0"]
    assert list(tmp_path.rglob("hit")) == []


def answer(folder: Path, monkeypatch: pytest.MonkeyPatch, **said: str) -> Path:
    """Puts commands of Slurm's names there that say what a test says, and note how they were called."""
    for name, words in said.items():
        file = folder / name
        file.write_text('#!/bin/sh\nfor word; do printf "%s\\n" "$word" >>"$0.called"; done\ncat "$0.says"\n')
        file.with_name(f"{name}.says").write_text(words)
        file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def test_every_setting_is_one_word_to_sbatch(tmp_path: Path, odd_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(tmp_path, monkeypatch, sbatch="17;cluster\n")
    batch = batches.create(odd_folder, "slurm", [[], []])
    fields = dict.fromkeys(("partition", "account", "time", "gres"), "x --wrap='touch hit'; $(touch hit)")
    assert Slurm(fields).send(batch) == ["17_0", "17_1"]
    called = (tmp_path / "sbatch.called").read_text().splitlines()
    assert [f"--{name}={value}" for name, value in fields.items()] == called[-4:]
    assert f"--chdir={odd_folder}" in called
    assert "--output=/dev/null" in called  # nothing of the folder's name is a pattern there
    assert list(tmp_path.rglob("hit")) == []


def test_of_all_jobs_only_ours_are_seen_and_rubbish_is_no_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["elbo-room-ab|1_0|RUNNING|None|n1", "thesis|2|RUNNING|None|n1", "a|b|3|PENDING|Priority|", "a", ""]
    answer(tmp_path, monkeypatch, squeue="\n".join(lines))
    assert Slurm({}).look() == {"1_0": Seen("working", "is at work on n1")}
    (tmp_path / "squeue.says").write_text("")
    assert Slurm({}).look() == {}
    for rubbish in (
        "elbo-room-ab|1_0|RUN\nx|1|RUNNING|None|n1\n",
        "Welcome to the cluster!\nBe kind.\n",
        "elbo-room-ab|1_0|RUN",
        "<html>\0\n",
    ):
        (tmp_path / "squeue.says").write_text(rubbish)
        with pytest.raises(EngineError, match="squeue answers in a way that is not known here"):
            Slurm({}).look()
    (tmp_path / "sbatch").write_text("#!/bin/sh\necho Submitted\n")
    (tmp_path / "sbatch").chmod(0o755)
    with pytest.raises(EngineError, match="expected the number of the new job, got 'Submitted"):
        Slurm({}).send(batches.create(tmp_path, "slurm", [[]]))


def test_a_command_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "squeue").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(slurm, "PATIENCE", 0.2)
    with pytest.raises(EngineError, match="cannot be reached: squeue gave no answer"):
        Slurm({}).look()


class Rubbish(BaseHTTPRequestHandler):
    """Asks for a token, and then answers as the test says."""

    code, body, headers_sent, met = 200, b"", {}, []

    def do_GET(self) -> None:
        given = self.headers.get("Authorization", "")
        self.met.append((self.path, given))
        self.send_response(self.code if given else 401)
        for name, value in ({"Content-Length": str(len(self.body))} | self.headers_sent).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.body.replace(b"TOKEN", given.encode()))

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def rubbish(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(Rubbish, "met", [])
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret-word")
    server = HTTPServer(("127.0.0.1", 0), Rubbish)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("code", "body", "headers"),
    [
        (200, b"<html>", {}),
        (200, b"[[[[", {}),
        (200, b"[", {"Content-Length": "100"}),
        (200, b"zz\r\n", {"Transfer-Encoding": "chunked"}),
        (500, b"x", {"Content-Length": "100"}),
        (500, b"you said TOKEN", {"Content-Length": "100"}),
        (302, b"", {"Location": "http://127.0.0.1:1/elsewhere"}),
        (307, b"", {"Location": "file:///etc/passwd"}),
        (200, b'[{"submission_id": "elbo-room-a-0-0", "status": {"a": 1}}]', {}),
    ],
)
def test_a_dashboard_that_answers_rubbish_is_told_of_in_a_sentence(
    rubbish: str, monkeypatch: pytest.MonkeyPatch, code: int, body: bytes, headers: dict[str, str]
) -> None:
    for name, value in (("code", code), ("body", body), ("headers_sent", headers)):
        monkeypatch.setattr(Rubbish, name, value)
    ray = Ray({"address": rubbish, "without_authentication": IN_WORDS})
    for ask in (ray.look, ray.check, lambda: ray.log_tail("elbo-room-a-0-0")):
        try:
            said = str(ask())
        except EngineError as error:
            said = str(error)
        assert "secret" not in said
        assert len(said) < 500
    with pytest.raises(EngineError):
        ray.look()


def test_a_redirect_takes_no_token_elsewhere(rubbish: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Rubbish, "code", 302)
    monkeypatch.setattr(Rubbish, "headers_sent", {"Location": f"{rubbish}/elsewhere"})
    with pytest.raises(EngineError, match=r"refuses: .*\(302\)"):
        Ray({"address": rubbish}).look()
    assert {path for path, _ in Rubbish.met} == {"/api/jobs/"}


@pytest.mark.parametrize(
    "address",
    ["http://", "http://[::1", "http://he ad:8265", "http://é☃:1", "http://..:1", "http://" + "a" * 70 + ":1",
     "http://head:port", "http://127.0.0.1:99999", "ftp://head", "file:///etc/passwd", "http://me:secret-word@head:8265"],
)  # fmt: skip
def test_an_address_that_can_be_none_is_a_sentence_without_its_password(address: str) -> None:
    with pytest.raises(ElboRoomError, match=r"Ray cannot be reached|ray: address") as caught:
        Ray({"address": address}).check()
    assert "secret" not in str(caught.value)


def test_a_token_that_is_none_or_everybodys_is_refused_and_never_shown(
    rubbish: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Rubbish, "body", b"[]")
    for token in ("secret\nHost: elsewhere", "secret☃", "secret word"):
        monkeypatch.setenv("RAY_AUTH_TOKEN", token)
        with pytest.raises(EngineError, match="is not one word") as caught:
            Ray({"address": rubbish}).look()
        assert "secret" not in str(caught.value)
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    file = tmp_path / "token"
    file.write_text("secret-word\n")
    for mode, well in ((0o600, True), (0o640, True), (0o644, False)):
        file.chmod(mode)
        ray = Ray({"address": rubbish, "token_file": str(file)})
        if well:
            assert ray.look() == {}
        else:
            with pytest.raises(EngineError, match="can be read by everybody here: chmod 600"):
                ray.look()


def test_settings_that_everybody_may_write_are_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "engines.json"
    file.write_text('{"slurm": {"setup": "touch hit"}}')
    monkeypatch.setenv("ELBO_ROOM_ENGINES", str(file))
    file.chmod(0o646)
    with pytest.raises(ConfigError, match="written by everybody"):
        settings.read()
    file.chmod(0o664)
    assert settings.read()["slurm"] == {"setup": "touch hit"}


def test_a_thousand_runs_are_one_call_and_one_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(tmp_path, monkeypatch, sbatch="9\n")
    batch = batches.create(tmp_path, "slurm", [[tmp_path / f"run-{i}"] for i in range(1000)])
    batch = batch.change(jobs=tuple(Slurm({}).send(batch)))
    assert (tmp_path / "sbatch.called").read_text().count("--array=0-999\n") == 1
    assert batches.read(batch.file).jobs[-1] == "9_999"
    assert len(batches.waiting(tmp_path)) == 1000
    assert runs.list_runs(tmp_path) == []  # what is gone is no run

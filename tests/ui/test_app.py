"""The assembled application, without a browser."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from ui import server
from ui.diagnose import work
from ui.modules import VERSION, read_modules
from ui.room import identity
from ui.take.work import work as exports
from vae.engines.local import LocalEngine

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One for all: Streamlit's runtime cannot be started twice in one process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ELBO_ROOM_RUNS", str(tmp_path_factory.mktemp("runs")))
        patch.setattr(server, "make_engine", lambda name=None: LocalEngine(spare=False))
        patch.setattr(work, "warm", lambda: None)
        identity.signing_key.cache_clear()
        import app

        with TestClient(app.app, base_url="http://localhost:8501") as made:
            yield made
        assert server._holder().engines == {}  # closed with the server
        assert exports().closed
    identity.signing_key.cache_clear()


def test_the_page_comes_with_headers_and_an_identity(client: TestClient) -> None:
    answer = client.get("/", headers={"accept": "text/html"})
    assert answer.status_code == 200
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
    assert "HttpOnly" in answer.headers["set-cookie"]


def test_a_deep_link_gets_the_same_page(client: TestClient) -> None:
    assert client.get("/train?run=x").text == client.get("/").text


PLANES = ["/", "/train", "/_stcore/health", f"/modules/{VERSION}/shared/live.js", "/runs/x/thumbnail.png"]


@pytest.mark.parametrize("path", PLANES)
def test_every_plane_is_behind_the_gate(client: TestClient, path: str) -> None:
    assert client.get(path, headers={"host": "evil.example"}).status_code == 403
    assert client.get(path, headers={"origin": "http://evil.example"}).status_code == 403
    assert "frame-ancestors" in client.get(path).headers["content-security-policy"]


def test_streamlits_uploads_are_closed(client: TestClient) -> None:
    answer = client.put("/_stcore/upload_file/a/b", files={"file": b"x"})
    assert (answer.status_code, answer.text) == (404, "No page of this app takes uploads here.")


def test_modules_and_styles_have_their_types_and_are_kept_for_ever(client: TestClient) -> None:
    types = {".js": "text/javascript", ".css": "text/css", ".wasm": "application/wasm"}
    for name in ("shared/live.js", "shared/palette.css", "decoder/kernel.wasm"):
        kind = types[Path(name).suffix]
        answer = client.get(f"/modules/{VERSION}/{name}")
        assert answer.content == (ROOT / "ui/static" / name).read_bytes()
        assert answer.headers["content-type"].startswith(kind)
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"


@pytest.mark.parametrize("path", ["other/shared/live.js", f"{VERSION}/shared/none.js", f"{VERSION}/shared/types.d.ts"])
def test_no_other_version_and_no_other_file_is_served(client: TestClient, path: str) -> None:
    answer = client.get(f"/modules/{path}")
    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")
    assert "load the page again" in answer.text


def test_the_version_follows_names_and_contents(tmp_path: Path) -> None:
    seen = set()
    for name, content in (("a.js", "1"), ("a.js", "2"), ("b.js", "2"), ("c.css", "")):
        (tmp_path / name).write_text(content)
        seen.add(read_modules(tmp_path)[0])
    (tmp_path / "notes.txt").write_text("no module")
    version, modules = read_modules(tmp_path)
    assert len(seen) == 4
    assert version in seen
    assert modules == {"a.js": b"2", "b.js": b"2", "c.css": b""}


def test_an_unknown_run_is_answered_in_a_sentence(client: TestClient) -> None:
    answer = client.get("/runs/none/thumbnail.png")
    assert answer.status_code == 404
    assert "no run named" in answer.text


def test_the_engine_lives_with_the_server(client: TestClient) -> None:
    assert server.engine().active() == []


def test_no_module_of_ui_imports_torch_at_once() -> None:
    """Torch takes seconds to import: pages must not wait for it before they show anything."""
    code = (
        "import importlib, pathlib, sys\n"
        "for file in sorted(pathlib.Path('ui').rglob('*.py')):\n"
        "    name = '.'.join(file.with_suffix('').parts)\n"
        "    if 'lessons' not in name and name not in sys.argv[1:]:\n"
        "        importlib.import_module(name)\n"
        "import app\n"
        "sys.exit('torch' in sys.modules)"
    )
    later = ["ui.frame", "ui.charts.checks"]  # what a page imports when it is asked
    done = subprocess.run([sys.executable, "-c", code, *later], cwd=ROOT, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_a_server_whose_spares_are_no_number_does_not_start_and_says_so() -> None:
    environment = {**os.environ, "ELBO_ROOM_SPARES": "no"}
    told = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=environment, check=False, capture_output=True, text=True
    )
    assert told.returncode == 1
    assert told.stderr.splitlines()[-1] == (
        "The server does not start: ELBO_ROOM_SPARES: expected 1, or 0 to keep no process at hand, got 'no'."
    )

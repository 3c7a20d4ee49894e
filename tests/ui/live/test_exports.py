"""Made files as they are downloaded: whole, in parts, and never as a page of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from ui.gate import Gate
from ui.live.exports import export_routes
from ui.room import identity
from vae.exports.work_folder import ExportStatus, folder_of, prepare, write_status

TOKEN = "0123456789abcdef" * 2
DATA = b"<script>fetch('/runs')</script>" * 10_000


def put(root: Path, name: str, state: str = "finished", token: str = TOKEN) -> None:
    folder = folder_of(root, token)
    prepare(folder)
    (folder / name).write_bytes(DATA)
    write_status(folder, ExportStatus(state, file=name, bytes=len(DATA)))


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setenv("ELBO_ROOM_RUNS", str(tmp_path))
    identity.signing_key.cache_clear()
    put(tmp_path, "one.html")
    yield TestClient(Starlette(routes=export_routes, middleware=[Middleware(Gate)]), base_url="http://localhost:8501")
    identity.signing_key.cache_clear()


def test_it_comes_whole_as_a_file_to_save(client: TestClient) -> None:
    answer = client.get(f"/exports/{TOKEN}/one.html")
    assert (answer.status_code, answer.content) == (200, DATA)
    headers = answer.headers
    assert headers["content-disposition"] == 'attachment; filename="one.html"'
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-length"] == str(len(DATA))
    assert headers["x-content-type-options"] == "nosniff"
    assert headers.get_list("content-security-policy") == ["sandbox; default-src 'none'; frame-ancestors 'none'"]
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "script-src 'self'" in client.get("/").headers["content-security-policy"]  # of all else, as ever


def test_parts_and_head(client: TestClient) -> None:
    address = f"/exports/{TOKEN}/one.html"
    head = client.head(address)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(DATA)))
    part = client.get(address, headers={"range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, DATA[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(DATA)}"
    assert client.get(address, headers={"range": "bytes=-5"}).content == DATA[-5:]
    assert client.get(address, headers={"range": f"bytes={len(DATA)}-"}).status_code == 416
    assert client.get(address, headers={"range": "bytes=abc"}).status_code == 400
    resumed = client.get(address, headers={"range": "bytes=9-", "if-range": part.headers["etag"]})
    assert (resumed.status_code, resumed.content) == (206, DATA[9:])
    assert client.post(address).status_code == 405


@pytest.mark.parametrize("name", ["Übung-1.csv", "mit leer.csv", "日本.gif"])
def test_every_name_of_a_run_is_a_safe_header(client: TestClient, tmp_path: Path, name: str) -> None:
    put(tmp_path, name, token="f" * 32)
    answer = client.get(f"/exports/{'f' * 32}/{name}")
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith("attachment; filename*=utf-8''")
    assert answer.headers["content-disposition"].isascii()


@pytest.mark.parametrize(
    "path",
    [
        f"{TOKEN}/two.html",
        f"{TOKEN}/status.json",
        f"{TOKEN}/..%2fstatus.json",
        f"{TOKEN}/%2e%2e%2f{TOKEN}%2fone.html",
        f"{TOKEN}/one.html%00",
        f"{TOKEN.upper()}/one.html",
        f"{'0' * 32}/one.html",
        f"{'0' * 31}/one.html",
        "../one.html",
        "..%2f..%2fone/config.json",
        ".exports/one.html",
        "%00/one.html",
        f"{'x' * 5000}/one.html",
        "٣" * 32 + "/one.html",
    ],
)
def test_what_is_no_token_or_no_name_is_not_there(client: TestClient, tmp_path: Path, path: str) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "config.json").write_text("{}")
    assert client.get(f"/exports/{path}").status_code == 404


@pytest.mark.parametrize("state", ["working", "failed", "stopped", "starting"])
def test_a_file_that_is_not_finished_is_not_there(client: TestClient, tmp_path: Path, state: str) -> None:
    put(tmp_path, "half.csv", state, "e" * 32)
    answer = client.get(f"/exports/{'e' * 32}/half.csv")
    assert answer.status_code == 404
    assert "Make it again." in answer.text

"""Forty-five tabs that wait for codes hold up nobody: static files, decoding, previews, codes that are there."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import httpx2 as httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from ui.live import cache
from ui.live.cache import weights_sha
from ui.live.codes import codes_routes
from ui.live.live import routes
from ui.live.map import map_routes
from vae.space.encodings import Codes

ROOT = Path(__file__).resolve().parents[3]
TABS = 45  # more than the 40 threads that serve everything else
PATIENCE = 120.0


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("ELBO_ROOM_RUNS", str(tmp_path))
    for name in ("slow", "known"):
        shutil.copytree(ROOT / "checkpoints/demo-digits-2d", tmp_path / name)
    yield tmp_path / "slow"
    cache.forget()


def test_forty_five_tabs_wait_for_codes_and_nobody_else_does(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    began, go_on, computed = threading.Event(), threading.Event(), []
    encode = cache._encode

    def slow(path: Path, sha: str, part: str) -> Codes:
        computed.append(path.name)
        if path.name == "slow":
            began.set()
            assert go_on.wait(PATIENCE)
        return encode(path, sha, part)

    monkeypatch.setattr(cache, "_encode", slow)
    static = Mount("/static", StaticFiles(directory=ROOT / "ui/static"))
    app, sha = Starlette(routes=[static, *routes, *codes_routes, *map_routes]), weights_sha(run)
    answers: list[httpx.Response] = []

    async def all_of_it() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", timeout=None) as page:

            async def tab(kind: str) -> None:
                answers.append(await page.get(f"/runs/slow/{kind}/{sha}"))

            assert (await page.get(f"/runs/known/codes/{sha}")).status_code == 200
            async with anyio.create_task_group() as tabs:
                for number in range(TABS):
                    tabs.start_soon(tab, ("codes", "images", "plane")[number % 3])
                await anyio.to_thread.run_sync(began.wait)
                await anyio.sleep(0.2)  # all of them have come
                with anyio.fail_after(PATIENCE / 2):
                    while anyio.to_thread.current_default_thread_limiter().borrowed_tokens:
                        await anyio.sleep(0.01)
                    for address in (
                        "/static/shared/style.css",
                        "/runs/slow/decode?z=0.5,-1",
                        "/runs/slow/preview",
                        "/runs/slow/decoder",
                        f"/runs/known/codes/{sha}",
                        f"/runs/known/posterior/{sha}?index=3",
                    ):
                        assert (await page.get(address)).status_code in (200, 404), address
                assert answers == []
                go_on.set()

    anyio.run(all_of_it)
    assert [answer.status_code for answer in answers] == [200] * TABS
    assert len({answer.content for answer in answers}) == 3
    assert computed == ["known", "slow"]

"""In front of a class: who may change what over the network, and who trains when there is one place."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import ROOT, Server, pass_time, rested
from tests.browser.train_page import start, state, step_shown
from tests.browser.watched import Watched, context_of
from vae import runs

pytestmark = [pytest.mark.browser, pytest.mark.slow]
DEMO = ROOT / "checkpoints" / "demo-digits-2d"


HOLD = """
window.held = [];
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
  if (this.url.includes("_stcore/stream")) window.live = this;
  if (window.holding && window.live === this) window.held.push(Array.from(new Uint8Array(data)));
  else send.call(this, data);
};"""


def other_address() -> str:
    """An address of this machine that its network reaches."""
    found = {str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:  # sends nothing
        try:
            probe.connect(("192.0.2.1", 9))
            found.add(probe.getsockname()[0])
        except OSError:
            pass
    return next((address for address in sorted(found) if not address.startswith("127.")), "")


@pytest.fixture(scope="module")
def classroom(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that the network reaches, with a place for one run."""
    made = Server(tmp_path_factory.mktemp("class"), STREAMLIT_SERVER_ADDRESS="0.0.0.0", ELBO_ROOM_SLOTS="1")
    yield made
    made.close()


@pytest.fixture
def server(classroom: Server) -> Iterator[Server]:
    classroom.empty_runs()
    yield classroom
    classroom.settle()


def ownerless(folder: Path) -> Path:
    """A stopped run as the command line leaves it: nobody's, and not one that ships."""
    path = folder / "alone"
    shutil.copytree(DEMO, path)
    content = re.sub(r'"shipped": true,\s*', "", (path / "manifest.json").read_text())
    (path / "manifest.json").write_text(content)
    runs.write_status(path, runs.Status(state="stopped", step=5, total_steps=10))
    assert not runs.is_shipped(path)
    return path


def test_a_stranger_cannot_change_an_ownerless_run(
    server: Server, chromium: Browser, eventually: Callable[..., None]
) -> None:
    address = other_address()
    if not address:
        pytest.skip("this machine has no address besides its own loopback")
    path = ownerless(server.runs)
    contexts = []

    def page_at(host: str) -> Page:
        context = context_of(chromium)
        context.add_init_script(HOLD)
        contexts.append(context)
        return Watched(context, f"{host}:{server.port}").page()

    def visit(page: Page, host: str) -> None:
        page.goto(f"http://{host}:{server.port}/train?run={path.name}")
        expect(page.get_by_role("button", name="Continue")).to_be_visible()

    stranger, home = page_at(address), page_at("localhost")
    forged = {"X-Elbo-Room-Here": "1", "X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "Forwarded": "for=::1"}
    for headers in (forged, {}):
        stranger.set_extra_http_headers(headers)
        stranger.context.clear_cookies()
        visit(stranger, address)
        expect(stranger.get_by_text("only on the server's own machine")).to_be_visible()
        expect(stranger.get_by_role("button", name="Continue")).to_be_disabled()
        stranger.goto(f"http://{address}:{server.port}/")
        expect(stranger.get_by_text("alone")).to_be_visible()
        stranger.get_by_role("button", name="More").click()
        expect(stranger.get_by_role("menuitem")).to_have_text(["Take away"])

    visit(home, "localhost")
    button = home.get_by_role("button", name="Continue")
    expect(button).to_be_enabled()
    before = {file.name: file.read_bytes() for file in path.glob("*.json")}
    messages = press_in_vain(home)
    assert {file.name: file.read_bytes() for file in path.glob("*.json")} == before

    def say(page: Page) -> None:
        for message in messages:
            page.evaluate("bytes => window.live.send(new Uint8Array(bytes))", message)
        pass_time(page, 2000)
        rested(page)

    visit(stranger, address)
    say(stranger)  # what the browser at home would have said, byte for byte
    assert {file.name: file.read_bytes() for file in path.glob("*.json")} == before
    say(home)
    eventually(lambda: runs.read_status(path).state != "stopped")
    for context in contexts:
        context.close()


def press_in_vain(page: Page) -> list[list[int]]:
    """What the browser would send at a press on Continue; nothing is sent."""
    page.evaluate("window.holding = true")
    page.get_by_role("button", name="Continue").click()
    page.wait_for_function("window.held.length > 0")
    page.evaluate("window.holding = false")
    return page.evaluate("window.held")


def test_a_paused_run_lets_the_next_one_in_and_goes_on_afterwards(
    server: Server, chromium: Browser, eventually: Callable[..., None]
) -> None:
    host = f"localhost:{server.port}"
    teacher, student = (Watched(context_of(chromium), host) for _ in range(2))
    first = teacher.page()
    path = server.runs / start(first, server, 20)
    state(first, "training")
    second = student.page()
    other = server.runs / start(second, server, 20)
    state(second, "waiting for its turn")
    note = f"Waiting: number 1 in the queue. “{path.name}” (another browser’s) trains now"
    expect(second.get_by_text(note)).to_be_visible()
    expect(second.get_by_text("is done in about")).to_be_visible()

    first.get_by_role("button", name="Pause").click()
    state(first, "paused, its place given to another run")
    expect(first.get_by_text("Another run waited and has its place.")).to_be_visible()
    state(second, "training")
    eventually(lambda: step_shown(second) > 0)
    rested = runs.read_status(path)
    assert (rested.state, len(server.workers())) != ("paused", 2)

    first.get_by_role("button", name="Resume").click()
    state(first, "waiting for its turn")
    expect(first.get_by_text(f"“{other.name}” (another browser’s) trains now")).to_be_visible()
    second.get_by_role("button", name="Stop", exact=True).click()
    state(second, "stopped")
    state(first, "training")
    eventually(lambda: step_shown(first) > rested.step)
    steps = [line["step"] for line in runs.read_history(path) if "train" in line]
    assert steps == sorted(set(steps)), "no step is measured twice"
    first.get_by_role("button", name="Stop", exact=True).click()
    state(first, "stopped")
    for window in (teacher, student):
        window.context.close()
        assert (window.foreign, window.complaints) == ([], [])


def test_a_number_typed_for_one_dataset_stays_there_and_defaults_are_one_click_back(
    server: Server, window: Watched
) -> None:
    page = window.page()
    page.goto(f"{server.url}/train")
    page.get_by_text("mnist", exact=True).click()
    expect(page.get_by_text("60,000 to train")).to_be_visible()
    defaults = page.get_by_role("button", name="Defaults")
    expect(defaults).to_be_disabled()
    page.get_by_text("More settings").click()
    epochs = page.get_by_label("Epochs", exact=True)
    epochs.fill("8")  # not entered: the click on the next dataset does that
    page.get_by_text("digits", exact=True).first.click()
    expect(page.get_by_text("1,437 to train")).to_be_visible()
    expect(epochs).to_have_value("")
    expect(defaults).to_be_disabled()
    expect(page.get_by_text(re.compile("^800 epochs,"))).to_be_visible()
    page.get_by_text("mnist", exact=True).click()
    expect(page.get_by_text(re.compile("^8 epochs,"))).to_be_visible()
    expect(epochs).to_have_value("8")
    defaults.click()
    expect(epochs).to_have_value("")
    expect(page.get_by_text("60,000 to train")).to_be_visible()
    expect(page.get_by_text(re.compile("^8 epochs,"))).to_have_count(0)
    expect(defaults).to_be_disabled()

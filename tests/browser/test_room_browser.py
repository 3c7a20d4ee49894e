"""A server that asks for a code: who comes in, who watches, who steers, and an identity that moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Server, Watched, rested
from tests.browser.train_page import start, state
from tests.browser.watched import context_of
from vae import runs

pytestmark = [pytest.mark.browser, pytest.mark.slow]
CLASS, TEACHER = "green table", "seven quiet owls"
RUDE = "Ada <b>*x*</b> $y$"


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Server]:
    made = Server(
        tmp_path, STREAMLIT_SERVER_ADDRESS="0.0.0.0", ELBO_ROOM_CLASS_CODE=CLASS, ELBO_ROOM_TEACHER_CODE=TEACHER
    )
    yield made
    made.close()


def give(page: Page, code: str) -> None:
    page.get_by_label("Code").fill(code)
    page.get_by_role("button", name="Enter").click()


def menu(page: Page, server: Server) -> None:
    """Home, with its menu open."""
    page.goto(f"{server.url}/")
    page.get_by_test_id("stPopoverButton").first.click()
    expect(page.get_by_label("Your name", exact=True)).to_be_visible()


def test_a_class_comes_in_by_a_code_watches_is_taught_and_moves_to_another_browser(
    asking: Server, chromium: Browser, eventually: Callable[..., None]
) -> None:
    host = f"localhost:{asking.port}"
    ada, bob, hall = (Watched(context_of(chromium), host) for _ in range(3))
    page = ada.page()
    page.goto(asking.url)
    give(page, CLASS)
    menu(page, asking)
    page.get_by_label("Your name", exact=True).fill(RUDE)
    page.get_by_label("Your name", exact=True).press("Enter")
    expect(page.get_by_test_id("stPopoverButton").first).to_contain_text("You")
    path = asking.runs / start(page, asking, 20)
    state(page, "training")
    link = f"{asking.url}/train?run={path.name}"

    other = bob.page()
    other.goto(link)
    expect(other.locator("input")).to_have_count(1)
    give(other, "green chair")
    expect(other.get_by_role("alert")).to_contain_text("This code is not known here")
    assert "chair" not in other.content() + other.url
    assert [one for one in bob.complaints if "403" not in one] == []
    bob.complaints.clear()
    give(other, CLASS)
    expect(other.get_by_text(f"by {RUDE}")).to_be_visible()
    assert other.url == link
    expect(other.get_by_role("button", name="Stop", exact=True)).to_be_disabled()
    other.reload()
    expect(other.get_by_role("button", name="Pause")).to_be_disabled()

    menu(other, asking)
    other.get_by_role("link", name="Enter a code").click()
    give(other, TEACHER)
    expect(other.get_by_text(f"by {RUDE}")).to_be_visible()  # on Home
    other.goto(link)
    other.get_by_role("button", name="Stop", exact=True).click()
    state(other, "stopped")

    menu(page, asking)
    page.get_by_role("button", name="Move to another browser").click()
    code = page.get_by_test_id("stPopoverBody").locator("code").first.inner_text()
    third = hall.page()
    third.goto(link)
    give(third, code.lower())
    expect(third.get_by_text(f"by {RUDE} (you)")).to_be_visible()
    expect(third.get_by_role("button", name="Continue")).to_be_enabled()
    rested(third)
    third.get_by_role("button", name="Continue").click()
    eventually(lambda: runs.read_status(path).state in runs.ACTIVE)
    third.get_by_role("button", name="Stop", exact=True).click()
    state(third, "stopped")
    for window in (ada, bob, hall):
        window.close()
    assert CLASS not in asking.log.read_text()
    assert TEACHER not in asking.log.read_text()

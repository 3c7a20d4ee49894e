"""How an address asks for its page: large for a room, without controls, or locked. `show/manner.js` reads the same."""

from __future__ import annotations

from collections.abc import Mapping

from ui.style import STATIC

FIELDS = ("show", "controls")  # of the address, on every page
SIZES, CONTROLS = ("100", "120", "140", "160", "180", "200"), ("hidden", "locked")


def page_with_manner(html: bytes, asked: Mapping[str, str]) -> bytes:
    """Returns Streamlit's page in the manner that its address asks for, from the first moment on: the component comes
    seconds after what is to be hidden."""
    size, controls = asked.get("show", ""), asked.get("controls", "")
    attributes = f' data-er-room style="font-size: {size}%"' if size in SIZES else ""
    attributes += f' data-er-controls="{controls}"' if controls in CONTROLS else ""
    if not attributes:
        return html
    sheet = (STATIC / "shared/style.css").read_bytes()
    html = html.replace(b"<html", b"<html" + attributes.encode(), 1)
    return html.replace(b"</head>", b"<style>" + sheet + b"</style></head>", 1)

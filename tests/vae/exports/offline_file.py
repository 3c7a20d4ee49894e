"""Reads a page without a server back, with a parser of its own: blocks, modules and texts."""

from __future__ import annotations

import json
from base64 import b64decode
from html.parser import HTMLParser
from io import BytesIO
from typing import Any

import numpy as np

from vae.browser.framing import unframe


class OfflineFile(HTMLParser):
    """What an HTML text holds. tags: all of them with their attributes; texts: what is to be read; blocks: bytes by
    name; scripts: the inline ones."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.blocks: dict[str, bytes] = {}
        self.scripts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        tag, attributes = self.tags[-1] if self.tags else ("", {})
        if tag == "script" and (name := attributes.get("data-held")):
            self.blocks[name] = b64decode(data, validate=True) if data.strip() else self.blocks.get(name, b"")
        elif tag == "script" and data.strip():
            self.scripts.append(data)
        elif tag != "style" and data.strip():
            self.texts.append(data.strip())

    @property
    def page(self) -> dict[str, Any]:
        return json.loads(self.blocks["page"])

    @property
    def modules(self) -> dict[str, str]:
        held = json.loads(self.scripts[0])["imports"]
        return {
            name: b64decode(code.removeprefix("data:text/javascript;base64,")).decode() for name, code in held.items()
        }

    def codes(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """The header of the codes, and their arrays."""
        data = self.blocks["codes"]
        header, at = unframe(data, dict, most=len(data))
        arrays = {}
        for name, (low, high) in header["ranges"].items():
            width = len(low)
            levels = np.frombuffer(data, "<u2", header["n"] * width, at).reshape(-1, width).astype(np.float64)
            at += 2 * levels.size
            arrays[name] = np.array(low) + (np.array(high) - np.array(low)) * levels / 65535
        at += -(at - (unframe(data, dict, most=len(data))[1])) % 4
        kind = "<u2" if header["label_bytes"] == 2 else "u1"
        if header["labels"]:
            arrays["labels"] = np.frombuffer(data, kind, header["n"], at)
        return header, arrays

    def images(self) -> np.ndarray:
        """The images (n, channels, height, width) in the tiles of the picture."""
        from PIL import Image

        newest, (header, _) = self.page["newest"], self.codes()
        sheet = np.asarray(Image.open(BytesIO(self.blocks["images"])))
        sheet = sheet.reshape(*sheet.shape[:2], newest["channels"])
        height, width, columns = newest["height"], newest["width"], self.page["columns"]
        places = [(i // columns * height, i % columns * width) for i in range(header["n"])]
        tiles = [sheet[top : top + height, left : left + width] for top, left in places]
        return np.stack(tiles).transpose(0, 3, 1, 2)

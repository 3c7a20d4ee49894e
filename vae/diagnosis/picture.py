"""Pictures of findings, SVG that is put into pages as it stands: held to what ours are made of when it is read."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from vae.checked_json import Misfit

SVG = "{http://www.w3.org/2000/svg}"
SHAPES = {"svg", "g", "path", "rect", "circle", "line", "text", "tspan", "title", "image"}
FORBIDDEN = re.compile(r"on.*|style|href|.*[{:].*")
PIXELS = re.compile(r"data:image/png;base64,[A-Za-z0-9+/]*={0,2}")


def safe_svg(svg: str) -> str:
    """Takes a picture, or none (""): plain shapes, words, and pixels that it carries itself. Raises Misfit."""
    if not svg:
        return svg
    if "<!" in svg or "<?" in svg or "]]>" in svg:
        raise Misfit("expected a picture, SVG without declarations and comments")
    try:
        root = ElementTree.fromstring(svg)
    except ElementTree.ParseError as error:
        raise Misfit(f"expected a picture, SVG, got what is no XML: {error}") from None
    for element in root.iter():
        if element.tag.removeprefix(SVG) not in SHAPES or not element.tag.startswith(SVG):
            raise Misfit(f"expected a picture of plain shapes, got <{element.tag.removeprefix(SVG)[:40]}>")
        for name, value in element.attrib.items():
            pixels = name == "href" and element.tag == f"{SVG}image" and PIXELS.fullmatch(value)
            if not pixels and (FORBIDDEN.fullmatch(name.lower()) or "url(" in value.lower()):
                raise Misfit(f"expected a picture of plain shapes, got one with {name[:40]!r}")
    return svg

"""The page without a server as text: its head, its sections, and the blocks of bytes that its modules read.

Every text of a user goes through `escape`, or lies in a block as base64: nothing in it can be read as a tag.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape

from vae.exports.offline_modules import ENTRY, Modules
from vae.exports.offline_words import Number

START = f'import "{ENTRY}";'


@dataclass(frozen=True)
class Section:
    """One part of the page: its anchor, its heading, a sentence, and the component that draws it, "" for none."""

    anchor: str
    title: str
    about: str
    component: str


def page_html(
    *,
    name: str,
    numbers: Sequence[Number],
    facts: Sequence[tuple[str, str]],
    held: Sequence[str],
    notes: Sequence[str],
    sections: Sequence[Section],
    modules: Modules,
    styles: str,
    blocks: Mapping[str, bytes],
) -> str:
    """Returns the page. `facts`: pairs of a name and its text; `held`: sentences on what the file holds; `notes`: what
    is to be said before everything else; `blocks`: bytes by name, for `offline/held.js`."""
    imports = modules.import_map()
    links = "".join(f'<a href="#{section.anchor}">{escape(section.title)}</a>' for section in sections)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy(imports, START)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(name)} · ELBO Room</title>
<link rel="icon" href="data:,">
<style>{styles}</style>
<script type="importmap">{imports}</script>
</head>
<body class="er">
<nav aria-label="Sections"><span class="brand">ELBO Room</span><span class="links">{links}</span>\
<button type="button" id="theme" hidden>Dark</button></nav>
<header>
<h1>{escape(name)}</h1>
<dl class="numbers">{"".join(_number(number) for number in numbers)}</dl>
{"".join(f'<p class="notice">{escape(note)}</p>' for note in notes)}
<dl class="facts">{"".join(f"<div><dt>{escape(term)}</dt><dd>{escape(text)}</dd></div>" for term, text in facts)}</dl>
<details><summary>What is in this file, and how exact it is</summary>
<ul>{"".join(f"<li>{escape(sentence)}</li>" for sentence in held)}</ul></details>
<noscript><p class="notice">Everything that moves on this page needs JavaScript, which is off here.</p></noscript>
</header>
<main>
{"".join(_section(section) for section in sections)}</main>
{"".join(_block(name, data) for name, data in {**modules.files, **blocks}.items())}\
<script type="module">{START}</script>
</body>
</html>
"""


def policy(*scripts: str) -> str:
    """Returns the policy under which nothing is fetched, and no script runs but these and those at data: addresses."""
    hashes = " ".join(f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes} data: 'wasm-unsafe-eval'; img-src data: blob:; "
        "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    )


def _number(number: Number) -> str:
    error = f" <small>{escape(number.error)}</small>" if number.error else ""
    return (
        f'<div><dt class="{number.idea}">{escape(number.name)}</dt>'
        f"<dd>{escape(number.value)}{error} <small>{escape(number.unit)}</small></dd></div>"
    )


def _section(section: Section) -> str:
    place = f'<div class="place" data-component="{section.component}"></div>' if section.component else ""
    return (
        f'<section id="{section.anchor}" aria-labelledby="{section.anchor}-title">'
        f'<h2 id="{section.anchor}-title">{escape(section.title)}</h2>'
        f'<p class="er-note">{escape(section.about)}</p>{place}</section>\n'
    )


def _block(name: str, data: bytes) -> str:
    return f'<script type="application/octet-stream" data-held="{escape(name)}">{b64encode(data).decode()}</script>\n'

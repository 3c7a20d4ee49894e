"""The browser's modules for a page without a server: those that an entry needs, as one import map.

A module at a data: address has no folder, so each relative import becomes the name of the file below `ui/static/`, and
the page's import map says what stands for it. Two of them ask a server: their namesakes in `offline/` stand in.
"""

from __future__ import annotations

import json
import posixpath
import re
import tomllib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vae.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]  # the project's folder
ENTRY = "offline/page.js"
INSTEAD = {"shared/server.js": "offline/server.js", "shared/live.js": "offline/live.js"}
KERNEL = "decoder/kernel.wasm"
IMPORT = re.compile(r'^((?:import|export) [\w*\s{},$]+ from )"(\.[^"]+)";', re.M)
STYLE = re.compile(r'"(\w+/\w+\.css)"')


@dataclass(frozen=True)
class Modules:
    """code: the source of each module by its name, such as "map/map.js". files: what they ask for, by name."""

    code: dict[str, str]
    files: dict[str, bytes]

    def import_map(self) -> str:
        """Returns the JSON of the import map that holds all of them."""
        text = {name: b64encode(code.encode()).decode() for name, code in self.code.items()}
        held = {name: f"data:text/javascript;base64,{code}" for name, code in text.items()}
        return json.dumps({"imports": held})


def read_modules(
    entry: str = ENTRY, static: Path = ROOT / "ui/static", instead: Mapping[str, str] = INSTEAD
) -> Modules:
    """Returns the entry with all that it imports, and the styles and the kernel that these ask for. `instead`: which
    module stands in for which. Raises ConfigError where the folder `static` of the application does not hold them."""
    code: dict[str, str] = {}
    files: dict[str, bytes] = {}
    missing = [entry]
    try:
        while missing:
            name = missing.pop()
            file = instead.get(name, name)
            text = (static / file).read_text(encoding="utf-8")
            names = {way: _below(file, way) for way in (found[2] for found in IMPORT.finditer(text))}
            code[name] = IMPORT.sub(partial(_renamed, names), text)
            missing += {*names.values()} - {*code, *missing}
            files |= {style: (static / style).read_bytes() for style in STYLE.findall(text) if style not in files}
        files[KERNEL] = (static / KERNEL).read_bytes()
    except FileNotFoundError as error:
        raise ConfigError(
            f"html: the page is made of the application's browser modules, and {error.filename} is not there; export "
            "it from a clone of ELBO Room's repository, which has them in ui/static"
        ) from None
    return Modules(code, files)


def _below(file: str, way: str) -> str:
    """The name below `ui/static/` of what `file` calls `way`."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(file), way))


def _renamed(names: Mapping[str, str], found: re.Match[str]) -> str:
    return f'{found[1]}"{names[found[2]]}";'


def theme_styles(config: Path = ROOT / ".streamlit/config.toml") -> str:
    """Returns the application's colours and font as custom properties, `--st-background-color` and so on: those of the
    system's theme, and of the one that `data-theme` on the document's root names. Raises ConfigError where the file of
    the application is not there."""
    try:
        theme = tomllib.loads(config.read_text(encoding="utf-8"))["theme"]
    except FileNotFoundError:
        raise ConfigError(f"html: {config} is not there; export it from a clone of ELBO Room's repository") from None
    light, dark = (_properties({**theme, **theme[tone]}) for tone in ("light", "dark"))
    return (
        f":root {{ color-scheme: light; {light} }}\n"
        f'@media (prefers-color-scheme: dark) {{ :root:not([data-theme="light"]) {{ color-scheme: dark; {dark} }} }}\n'
        f':root[data-theme="dark"] {{ color-scheme: dark; {dark} }}\n'
    )


def _properties(theme: Mapping[str, object]) -> str:
    kept = {name: value for name, value in theme.items() if name.endswith(("Color", "ont")) and isinstance(value, str)}
    return " ".join(f"--st-{re.sub('(?=[A-Z])', '-', name).lower()}: {value};" for name, value in kept.items())

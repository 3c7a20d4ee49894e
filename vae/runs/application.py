"""The application, which lives in the project's folder: what is installed is the core and its commands."""

from __future__ import annotations

import contextlib
import importlib.util
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from vae.errors import ConfigError

SCRIPT = "app.py"
PARTS = (SCRIPT, "ui/frame.py", "pages")  # by which the project's folder is known from others with an app.py


def project_folder() -> Path | None:
    """The project's folder: where this package is, as in a clone or after `pip install -e .`; else the current one."""
    for folder in (Path(__file__).resolve().parent.parent.parent, Path.cwd()):
        if all((folder / part).exists() for part in PARTS):
            return folder
    return None


def start(arguments: Sequence[str]) -> int:
    """Run `streamlit run app.py` with these arguments in the project's folder until it ends; its exit status.

    Raises ConfigError where the application or Streamlit is not there.
    """
    folder = project_folder()
    if folder is None:
        raise ConfigError(
            f"app: the application is not part of the installed package; change into a clone of ELBO Room's repository "
            f"(the folder with {SCRIPT}, ui and pages), and try again there"
        )
    if importlib.util.find_spec("streamlit") is None:
        raise ConfigError("app: the application needs Streamlit; `pip install -e .[app]` in its folder brings it")
    process = subprocess.Popen([sys.executable, "-m", "streamlit", "run", SCRIPT, *arguments], cwd=folder)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    while True:
        with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C is the server's too: it saves the runs, we wait
            status = process.wait()
            return status if status >= 0 else 128 - status  # a signal, as a shell tells it

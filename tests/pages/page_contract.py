"""What every page keeps to: it is registered, and it opens, cold and with a run, without raising."""

from __future__ import annotations

from pathlib import Path

from streamlit.testing.v1 import AppTest

FRAME = 1  # what the frame itself puts on every page: the component that shows it to a room


def page_opens(app: AppTest, file: Path, **parameters: str) -> AppTest:
    """Goes to a page as a visitor does; AssertionError where it raises or shows nothing."""
    app.run()
    for name, value in parameters.items():
        app.query_params[name] = value
    app.switch_page(str(file)).run()
    assert not app.exception, f"{file.name}: {app.exception[0].message}"
    assert len(app.main.children) > FRAME, f"{file.name}: shows nothing"
    return app

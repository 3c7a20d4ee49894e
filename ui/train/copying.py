"""The form filled with the settings of another run, some of them changed by the address, and without the images that
were marked there as suspect: `?from=name&latent_dim=6&without=marked`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from ui.runs.run_view import RunView
from ui.suspects.marks import marked_rows
from ui.train import form_values
from ui.train.answers import parse_widths
from ui.train.form import fill_in
from vae import runs
from vae.config import Config, parse_rows, write_rows
from vae.errors import ConfigError, ElboRoomError

MARKED = "marked"  # as `?without=`: the rows that are marked in the run of `?from=`
SETTINGS: dict[str, Callable[[str], Any]] = {  # that the address may change, and how its text is read
    "latent": str,
    "latent_dim": int,
    "hidden": parse_widths,
    "epochs": int,
}


def copy_settings(name: str, address: Mapping[str, str]) -> None:
    """Fills the form with the settings of the run in `?from=name`, as the rest of the address changes them; once per
    visit, so that edits stay."""
    changes = {setting: address[setting] for setting in SETTINGS if setting in address}
    without = address.get("without", "")
    asked = (name, without, *sorted(changes.items()))
    if st.session_state.get("copied") == asked:
        return
    st.session_state["copied"] = asked
    notices = []
    try:
        view = RunView(runs.run_path(name))
        if view.config.is_yours:
            notices.append(f"“{name[:60]}” is a model of your own: it has no settings to copy.")
        else:
            config, refused = _changed(view.config, changes)
            notices += refused
            left_out = fill_in(config)
            if left_out:
                notices.append(
                    f"“{name[:60]}” has settings that the form does not offer ({', '.join(left_out)}): "
                    "these are the defaults."
                )
            if without == MARKED and "dataset" not in left_out:
                _leave_out(view)
    except ElboRoomError:
        notices = [f"The settings of “{name[:60]}” could not be read; these are the defaults."]
    if notices:
        st.session_state["notice"] = " ".join(notices)


def _changed(config: Config, changes: Mapping[str, str]) -> tuple[Config, list[str]]:
    """Returns the settings as the address changes them, and a sentence for each change that cannot be."""
    refused = []
    for name, text in changes.items():
        try:
            config = dataclasses.replace(config, **{name: SETTINGS[name](text)})
        except (ConfigError, ValueError):
            refused.append(f"The address asks for {name} = “{text[:40]}”, which cannot be: it stays as it was.")
    return config, refused


def _leave_out(view: RunView) -> None:
    """Those that are marked, and those that the run did without already."""
    rows: dict[str, list[int]] = {"train": [], "test": []}
    for text in (view.config.without, marked_rows(view)):
        for part, spans in (parse_rows(text) if text else {}).items():
            rows[part] += [row for span in spans for row in span]
    st.session_state[form_values.key("without")] = write_rows(rows)

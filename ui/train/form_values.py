"""What the training form holds: a person's choices for each dataset, and the defaults that ship.

    train-FIELD    what is shown, under the keys of the form's widgets
    train-shown    the dataset that these choices are for; none while they are to be taken as they are
    train-kept     dataset -> the choices that were left there

A number that was typed for one dataset never becomes that of another. `store` is Streamlit's session state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

Store = MutableMapping[Any, Any]  # Streamlit's takes numbers as keys too
OWN_FILE = "your own file"
AUTOMATIC = "automatic"
DEFAULTS: dict[str, Any] = {
    "dataset": "digits",
    "path": "",
    "latent_dim": 2,
    "likelihood": AUTOMATIC,
    "C": "",
    "binarize": AUTOMATIC,
    "latent": "normal",
    "network": "mlp",
    "hidden": "",
    "activation": "relu",
    "objective": "elbo",
    "samples": 1,
    "estimator": AUTOMATIC,
    "epochs": None,
    "batch_size": None,
    "lr": None,
    "precision": AUTOMATIC,
    "seed": 0,
    "without": "",
    "name": "",
}
CHOICES = tuple(field for field in DEFAULTS if field not in ("dataset", "path", "name"))  # each dataset has its own
SHOWN, KEPT = "train-shown", "train-kept"


def key(field: str) -> str:
    """Returns the key of a field's widget."""
    return f"train-{field}"


def value(store: Store, field: str) -> Any:
    """Returns what a field shows, the default where nothing was chosen."""
    return store.get(key(field), DEFAULTS[field])


def dataset(store: Store) -> str:
    """Returns the chosen dataset's name, or the path that was typed, "" before that."""
    chosen = value(store, "dataset")
    return str(value(store, "path")).strip() if chosen == OWN_FILE else chosen


def follow(store: Store, is_data: Callable[[str], bool]) -> None:
    """Follows the choice of a dataset: keeps what was chosen for the last one, shows what was chosen for this one.

    What was chosen before a file had been named is meant for it. `is_data`: whether a path names a file of images.
    """
    own = value(store, "dataset") == OWN_FILE
    now = dataset(store) if not own or is_data(dataset(store)) else OWN_FILE
    before, kept = store.get(SHOWN), store.setdefault(KEPT, {})
    store[SHOWN] = now
    if before in (None, now) or (before == OWN_FILE and own and now not in kept):
        return
    kept[before] = _chosen(store)
    _show(store, kept.pop(now, {}))


def fill_in(store: Store, values: Mapping[str, Any]) -> None:
    """Shows these values, of a run whose settings are copied, instead of what was chosen for their dataset."""
    if (before := store.get(SHOWN)) is not None:
        store.setdefault(KEPT, {})[before] = _chosen(store)
    store[SHOWN] = None
    for field, default in DEFAULTS.items():
        store[key(field)] = values.get(field, default)


def is_changed(store: Store) -> bool:
    """Returns whether anything that belongs to the dataset was chosen otherwise than it ships."""
    return any(value(store, field) != DEFAULTS[field] for field in CHOICES)


def reset(store: Store) -> None:
    """Shows what ships; the dataset and the name stay."""
    _show(store, {})


def _chosen(store: Store) -> dict[str, Any]:
    return {field: value(store, field) for field in CHOICES}


def _show(store: Store, values: Mapping[str, Any]) -> None:
    for field in CHOICES:
        store[key(field)] = values.get(field, DEFAULTS[field])

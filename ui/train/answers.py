"""What the answers of the training form mean: a Config, the data that it is about, and whether both go together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ui.runs import owners
from ui.train import form_values
from ui.train.form_values import AUTOMATIC, DEFAULTS, OWN_FILE, Store
from vae.config import Config
from vae.errors import ConfigError, DataError, ElboRoomError, is_out_of_memory
from vae.files import expanded
from vae.runs.start import check_room

if TYPE_CHECKING:
    from vae.datasets import DataInfo

AS_THEY_ARE = (  # answers that are fields of a Config
    "latent", "latent_dim", "network", "activation", "objective", "samples", "epochs", "batch_size", "lr", "seed",
)  # fmt: skip
OPEN = ("likelihood", "binarize", "estimator", "precision")  # answers that may be left to the program


@dataclass(frozen=True)
class Asked:
    """What the form asks for: the config with open choices as None, its data, the same config completed, and notes."""

    config: Config
    info: DataInfo
    completed: Config
    notes: list[str]


def read_answers(store: Store) -> Asked:
    """Returns what the form asks for. Raises ElboRoomError or OSError where it cannot be trained."""
    from vae.training.defaults import complete

    config = asked_config(store)
    info = described(config.dataset, config.without)
    completed, notes = complete(config, info)
    check_room(completed, info)
    return Asked(config, info, completed, notes)


def asked_config(store: Store) -> Config:
    """Returns what the form says as a Config; open choices stay None. Raises ConfigError."""
    value = {field: form_values.value(store, field) for field in DEFAULTS}
    own = value["dataset"] == OWN_FILE
    if own and not files_allowed():
        raise ConfigError("Files are read for those who sit at the server's own machine; choose one of the datasets.")
    if own and not value["path"].strip():
        raise ConfigError("Give the path of an .npz or .npy file with images: (N, H, W), (N, H, W, 3) or (N, 3, H, W).")
    open_choices: dict[str, Any] = {name: None if value[name] == AUTOMATIC else value[name] for name in OPEN}
    return Config(
        dataset=str(expanded(value["path"].strip()).absolute()) if own else value["dataset"],
        C=parse_C(value["C"]),
        hidden=parse_widths(value["hidden"]),
        without=value["without"] or None,
        **open_choices,
        **{name: value[name] for name in AS_THEY_ARE},
    )


def files_allowed() -> bool:
    """Returns whether this visitor may name files: paths of this machine are for those who sit at it."""
    return owners.at_this_machine()


def described(dataset: str, without: str | None = None) -> DataInfo:
    """Returns the description of the data without the rows that are left out. Raises ElboRoomError or OSError where
    there is none."""
    from vae.datasets import describe

    try:
        return describe(dataset, without=without)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise DataError("These images are too many for this machine's memory; choose fewer or smaller ones.") from None


def is_data(path: str) -> bool:
    """Returns whether a path that was typed names a file of images."""
    try:
        return bool(path) and files_allowed() and bool(described(path))
    except (ElboRoomError, OSError):
        return False


def parse_widths(text: str) -> tuple[int, ...] | None:
    """Reads `400` or `512, 256`; empty means the network's own. Raises ConfigError."""
    parts = [part for part in text.replace(",", " ").split() if part]
    if not all(part.isdecimal() and len(part) < 20 for part in parts):
        raise ConfigError(f"hidden: expected widths such as 400 or 512, 256, got {text[:80]!r}")
    return Config(hidden=tuple(int(part) for part in parts)).hidden or None


def parse_C(text: str) -> float | Literal["fit"] | None:
    """Reads `fit`, a number, or empty for the likelihood's own. Raises ConfigError."""
    if not text.strip() or text.strip() == "fit":
        return text.strip() or None  # type: ignore[return-value]
    try:
        return Config(C=float(text)).C
    except ConfigError:
        raise
    except ValueError:
        raise ConfigError(f"C: expected a positive number or fit, got {text[:80]!r}") from None

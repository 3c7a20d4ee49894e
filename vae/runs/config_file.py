"""config.json: what a run was made with, its Config and its data's description. Written once, and to train on."""

from __future__ import annotations

import copy
import json
import math
import time
from pathlib import Path
from typing import Any

from vae.checked_json import Misfit, fields, items, number, one_of, optional, parse, read_bytes, text, whole
from vae.config import Config, short
from vae.errors import ConfigError, RunDamaged, RunError
from vae.runs.checkpoints import FORMAT, damaged, read_checked, save_checked

CONFIG = "config.json"
MOST_KEPT, MOST_KEPT_BYTES = 4_096, 1 << 14  # configs, and bytes of each of their two files
MOST_VALUES = 1 << 28  # of one image
DATA = fields(
    ("shape",),
    name=text(),
    shape=items(whole(1, 1 << 20), 3, 3),  # channels, height, width
    support=one_of("binary", "unit", "real"),
    scale=number(0),
    train=whole(),
    test=whole(),
    classes=optional(items(text())),
    path=optional(text()),
    digest=optional(text(64)),
    limits=items(number(), 2, 2),
    spread=number(1e-30),
)
_kept: dict[Path, tuple[tuple[bytes, bytes], Config, dict[str, Any]]] = {}


def create_config(path: Path, config: Config, data: dict[str, Any]) -> None:
    """Writes the file that makes a folder a run; it comes last."""
    _write(path, {"format": FORMAT, "created": time.time(), "config": config.to_json(), "data": data})


def read_config(path: Path) -> tuple[Config, dict[str, Any]]:
    """Returns the run's config and its data's description. RunDamaged names the field that is wrong, or says that the
    file is not the one that was written.

    Pages ask for all runs again and again: what was understood before holds while config and manifest have the very
    bytes that it was understood from.
    """
    before = _written(path)
    kept = _kept.get(path)
    if kept is None or before is None or kept[0] != before:
        config, data = _understood(path, _read(path))
        if before is None or before != _written(path):  # somebody is writing
            return config, data
        if len(_kept) >= MOST_KEPT:
            _kept.clear()
        kept = _kept[path] = before, config, data
    return kept[1], copy.deepcopy(kept[2])


def replace_config(path: Path, config: Config, data: dict[str, Any] | None = None) -> None:
    """Changes the config of a run whose lock we hold, or what is known of its data; a crash leaves old or new.
    Raises RunError where it cannot be written."""
    content = _read(path)
    known = _understood(path, content)[1]
    try:
        _write(path, {**content, "config": config.to_json(), "data": known if data is None else data})
    except OSError as error:
        raise RunError(
            f"run {path.name!r} cannot be written ({error.strerror}); make its folder writable, or copy it"
        ) from None


def check_known(path: Path, config: Config) -> None:
    """Raises RunDamaged where the config names a latent, network, ... that this version does not have."""
    from vae.bound.estimators import ESTIMATORS
    from vae.model.likelihoods import LIKELIHOODS
    from vae.training.defaults import REGISTRIES  # torch takes its time

    for name, registry in {**REGISTRIES, "likelihood": LIKELIHOODS, "estimator": ESTIMATORS}.items():
        value = getattr(config, name)
        if config.is_yours and (name, value) in (("network", config.network), ("likelihood", None)):
            continue
        if value not in registry and (name, value) != ("estimator", None):
            raise RunDamaged(
                f"run {path.name!r}: its model cannot be built by this version (config.json, {name}: expected one of "
                f"{', '.join(registry)}, got {short(value)}); update ELBO Room to open it"
            )


def _written(path: Path) -> tuple[bytes, bytes] | None:
    """What config and manifest hold; None where they cannot be read, or are too large to be kept."""
    try:
        return read_bytes(path / CONFIG, MOST_KEPT_BYTES), read_bytes(path / "manifest.json", MOST_KEPT_BYTES)
    except (OSError, Misfit):
        return None


def _read(path: Path) -> dict[str, Any]:
    try:
        try:
            return _content(path, read_checked(path, CONFIG, signed=False))
        except RunDamaged:
            _content(path, read_bytes(path / CONFIG))  # a newer version or a wrong field says more than a wrong sum
            raise
    except (FileNotFoundError, Misfit) as error:
        raise damaged(path, CONFIG, error) from None


def _content(path: Path, data: bytes) -> dict[str, Any]:
    """The file's fields. RunDamaged for a newer version, Misfit for a field that is wrong."""
    content = parse(data)
    if isinstance(content, dict) and type(content.get("format")) is int and content["format"] > FORMAT:
        raise RunDamaged(
            f"run {path.name!r} was written by a newer version (format {content['format']}, here {FORMAT}); "
            "update ELBO Room to open it"
        )
    return fields(("format", "config", "data"), format=whole(1), data=DATA)(content)


def _understood(path: Path, content: dict[str, Any]) -> tuple[Config, dict[str, Any]]:
    try:
        if math.prod(content["data"]["shape"]) > MOST_VALUES:
            raise Misfit(f"expected images of at most {MOST_VALUES:,} values", "data.shape")
        return Config.from_json(content["config"]), content["data"]
    except (ConfigError, Misfit) as error:
        raise damaged(path, CONFIG, error) from None


def _write(path: Path, content: dict[str, Any]) -> None:
    save_checked(path, {CONFIG: (json.dumps(content, indent=1, allow_nan=False) + "\n").encode()})

"""config.json: what a run was made with, its Config and its data's description. Written once, and to train on."""

from __future__ import annotations

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


def create_config(path: Path, config: Config, data: dict[str, Any]) -> None:
    """Writes the file that makes a folder a run; it comes last."""
    _write(path, {"format": FORMAT, "created": time.time(), "config": config.to_json(), "data": data})


def read_config(path: Path) -> tuple[Config, dict[str, Any]]:
    """Returns the run's config and its data's description. RunDamaged names the field that is wrong, or says that the
    file is not the one that was written."""
    return _understood(path, _read(path))


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

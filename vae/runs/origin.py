"""origin.json: that a run came in a bundle, who made it and when, and when it was taken in."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path

from vae.checked_json import fields, number, text
from vae.errors import RunDamaged
from vae.files import write_json
from vae.runs.checkpoints import read_file

ORIGIN = "origin.json"
MOST_NAME = 60  # characters of who made it
MOST_TIME = 1e11  # seconds since 1970
time_of = number(0, MOST_TIME)
_WRITTEN = fields(
    ("made_by", "made", "imported"), made_by=text(MOST_NAME), made=time_of, imported=time_of, elbo_room=text(40),
    torch=text(40),
)  # fmt: skip


@dataclass(frozen=True)
class Origin:
    """made_by: "" where nobody is named. made: when its training ended; imported: both in seconds since 1970.
    elbo_room, torch: the versions that wrote the bundle."""

    made_by: str
    made: float
    imported: float
    elbo_room: str = ""
    torch: str = ""

    def words(self) -> str:
        """Returns `imported, made by Ada on 29 Nov 2026`."""
        by = f" by {self.made_by}" if self.made_by else ""
        return f"imported, made{by} on {day(self.made)}"


def ended(path: Path, heartbeat: float) -> float:
    """Returns when the training of a run ended, in seconds since 1970: at the heartbeat of its status, unless it came
    in a bundle and has not been trained since, then when its bundle says."""
    origin = read_origin(path)
    return origin.made if origin is not None and heartbeat <= origin.imported else heartbeat


def day(seconds: float) -> str:
    """Returns `29 Nov 2026`, the day in Greenwich."""
    then = time.gmtime(seconds)
    return f"{then.tm_mday} {time.strftime('%b %Y', then)}"


def visible(name: str) -> str:
    """Returns a name as it is kept: what can be seen of it, single spaces, MOST_NAME characters."""
    seen = "".join(one if one.isprintable() else " " for one in name[: 10 * MOST_NAME])
    return " ".join(seen.split())[:MOST_NAME].strip()


def write_origin(path: Path, origin: Origin) -> None:
    """Writes it into the run of that directory. Raises OSError."""
    write_json(path / ORIGIN, dataclasses.asdict(origin))


def read_origin(path: Path) -> Origin | None:
    """Returns it; None for a run that was made here, and where it cannot be read."""
    try:
        values = read_file(path, ORIGIN, _WRITTEN)
    except (FileNotFoundError, RunDamaged):
        return None
    known = {field.name for field in dataclasses.fields(Origin)}
    values = {name: value for name, value in values.items() if name in known}
    return Origin(**values | {"made_by": visible(values["made_by"])})

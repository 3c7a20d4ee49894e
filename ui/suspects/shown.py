"""What is known of a run's suspects, kept at hand while nothing changes on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from ui.live.cache import Newest, check_current
from ui.suspects.view import SECOND, SuspectsView
from vae import runs
from vae.space.parts import Part

if TYPE_CHECKING:
    from vae.diagnosis.suspects.table import Listed
    from vae.space.encodings import Images

_images: Newest[Images] = Newest(3)
_listed: Newest[Listed] = Newest(4)


def images_shown(path: Path, sha: str, view: SuspectsView) -> Images:
    """Returns the images of the part or the second dataset that is shown. Raises ElboRoomError where there are none."""
    from vae.diagnosis.suspects.opened import second_images
    from vae.space.encodings import images_of

    run = runs.load_run(path)
    if view.part == SECOND:
        return _images.get((path, sha, SECOND, view.second), lambda: second_images(run, view.second))
    return _images.get((path, sha, view.part), lambda: images_of(run, cast(Part, view.part)))


def listed_shown(path: Path, sha: str, view: SuspectsView, kept: Path | None = None) -> Listed | None:
    """Returns what is known of those images by now; None for a second dataset that is not scored yet. `kept`: the
    folder that it lies in, where that is not the one of these weights. Raises ElboRoomError."""
    from vae.diagnosis.suspects.opened import open_part, open_second
    from vae.diagnosis.suspects.results import folder_of

    check_current(path, sha)
    folder, images = kept or folder_of(path, sha), images_shown(path, sha, view)
    run = runs.load_run(path)
    if view.part == SECOND:
        return open_second(run, folder, view.second, images)
    stamps = tuple(sorted((file.name, file.stat().st_mtime_ns) for file in folder.glob("*.npz")))
    part = cast(Part, view.part)
    return _listed.get((folder, part, stamps), lambda: open_part(run, folder, part, images))

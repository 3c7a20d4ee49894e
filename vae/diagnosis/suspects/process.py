"""One process that looks for suspects: `python -m vae.diagnosis.suspects.process RUN_DIR --weights SHA`. What it finds
lies with the run, see `vae.diagnosis.suspects.results`; what lies there already is not computed again.

Standard input held open means that whoever started the process lives; at its end the work stops with what it has.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vae.diagnosis.case import Case, Progress, Stopped
from vae.diagnosis.process import DiagnosisWork, do, open_case, say
from vae.diagnosis.suspects.duplicates import blank_images, duplicates
from vae.diagnosis.suspects.evidence import SAMPLES, bounds_of
from vae.diagnosis.suspects.neighbours import label_disagreement
from vae.diagnosis.suspects.results import (
    WHOLE,
    folder_of,
    read_bounds,
    read_scores,
    request_suspects,
    write_bounds,
    write_scores,
    write_second,
)
from vae.diagnosis.suspects.scores import ORDER, Scores
from vae.diagnosis.suspects.second import file_of, load_second, score_second
from vae.engines.streams import watch_input, write_plainly
from vae.errors import ElboRoomError, RunBusy, RunDamaged
from vae.files import insist
from vae.machine import compute_on_one_thread, let_idle_threads_sleep
from vae.space.encodings import Codes, images_of
from vae.space.parts import PARTS, Part

MOST_IMAGES = 100_000  # of each part, as on the Map
MOST_CLASSES = 1000
WRITE_EVERY = 1.0  # seconds between two versions of log p(x) on disk
NAMES = {"test": "held-out images", "train": "training images"}


@dataclass(frozen=True)
class Asked:
    """What is wanted beside the scores: log p(x) of a part, from so many samples; a second dataset."""

    evidence: Part | None = None
    samples: int = SAMPLES
    second: str = ""


class SuspectsWork(DiagnosisWork):
    """The work in one folder, whose lock this process holds."""

    def __init__(self, folder: Path, sha: str, gone: threading.Event, asked: Asked) -> None:
        super().__init__(folder, sha, gone)
        self.asked = asked

    def run(self, case: Case) -> None:
        """Computes what is asked and not there yet; each thing is kept as soon as it is there."""
        self._write()
        try:
            scores = self._kept_scores()
            if not scores:
                insist((self.folder / WHOLE).unlink, missing_ok=True)
            if not (self.folder / WHOLE).is_file():
                scores = self._score(case)
                (self.folder / WHOLE).touch()
            if self.asked.evidence in scores:
                self._bound(case, self.asked.evidence)
            if self.asked.second and not (self.folder / file_of(self.asked.second)).is_file():
                self._second(case, scores)
            self.end("finished")
        except Stopped:
            self.end("stopped")

    def _kept_scores(self) -> dict[Part, Scores]:
        try:
            return read_scores(self.folder)
        except RunDamaged:
            return {}

    def _score(self, case: Case) -> dict[Part, Scores]:
        codes: dict[Part, Codes] = {}
        scores: dict[Part, Scores] = {}
        for part in ORDER:
            case.progress = self._encoding(part)
            found = case.codes if part == "test" else case.train_codes
            if found is None:
                continue
            offset = sum(map(len, codes.values()))
            codes[part] = found
            scores[part] = Scores(found.rate, found.distortion, offset=offset)
        write_scores(self.folder, scores)  # both at once: which parts there are stays as whoever looks first sees it
        self.status.source = " and ".join(one.source for one in codes.values())
        scores = self._find_twins(case, scores, codes)
        write_scores(self.folder, scores)  # copies and blanks are there before the neighbours, which take longer
        scores = self._compare(scores, codes)
        write_scores(self.folder, scores)
        return scores

    def _encoding(self, part: Part) -> Progress:
        return lambda fraction, words: self.look("scores", fraction, f"encoding {NAMES[part]}")

    def _compare(self, scores: dict[Part, Scores], codes: dict[Part, Codes]) -> dict[Part, Scores]:
        """With the neighbours: training images where there are any, else held-out ones."""
        kind: Part = "train" if "train" in codes else "test"
        among = codes[kind]
        if among.labels is None or len(among) < 2 or any(one.labels is None for one in codes.values()):
            return scores
        names, known = np.unique(np.concatenate([one.labels for one in codes.values()]), return_inverse=True)
        if len(names) > MOST_CLASSES:
            return scores
        compared = dict(scores)
        labels = dict(zip(codes, np.split(known, [len(next(iter(codes.values())))]), strict=False))
        for part, one in codes.items():
            words, same = f"asking the neighbours of {NAMES[part]}", part == kind

            def progress(fraction: float, words: str = words) -> None:
                self.look("neighbours", fraction, words)

            found = label_disagreement(one.loc, labels[part], among.loc, labels[kind], same, progress)
            compared[part] = dataclasses.replace(
                scores[part],
                differ=found["differ"],
                suggested=names[found["suggested"]],
                agree=found["agree"],
                neighbours=len(among) - 1,
            )
        return compared

    def _find_twins(self, case: Case, scores: dict[Part, Scores], codes: dict[Part, Codes]) -> dict[Part, Scores]:
        parts = {part: images_of(case.run, part) for part in codes}
        stored = [parts[part].stored[: len(one)] for part, one in codes.items()]
        limits = next(iter(codes.values())).limits

        def progress(fraction: float) -> None:
            self.look("copies", fraction, "looking for copies")

        found = duplicates(stored, next(iter(parts.values())).scale, limits, progress)
        result = {}
        for (part, one), images in zip(scores.items(), stored, strict=True):
            own = slice(one.offset, one.offset + len(one))
            result[part] = dataclasses.replace(
                one, blank=blank_images(images), exact=found.exact[own], near=found.near[own], near_cut=found.cut
            )
        return result

    def _bound(self, case: Case, part: Part) -> None:
        case.progress = self._encoding(part)
        codes = case.codes if part == "test" else case.train_codes
        if codes is None:
            return
        n, written, bounds = len(codes), 0.0, None
        try:
            known = read_bounds(self.folder, part, n)
        except RunDamaged:
            known = None

        def progress(done: int) -> None:
            self.look("evidence", done / n, f"log p(x) of {NAMES[part]}, {done:,} of {n:,}, the highest −ELBO first")

        try:
            for bounds in bounds_of(case.model, codes, known, self.asked.samples, progress):
                if time.monotonic() - written > WRITE_EVERY:
                    write_bounds(self.folder, part, bounds)
                    written = time.monotonic()
        finally:
            if bounds is not None:
                write_bounds(self.folder, part, bounds)

    def _second(self, case: Case, scores: dict[Part, Scores]) -> None:
        words = f"scoring held-out images of {self.asked.second}"
        self.look("second", 0.0, words)
        dataset = load_second(case.run, self.asked.second)
        own = -scores["test"].elbo
        found = score_second(case.run, dataset, own, lambda share: self.look("second", share, words))
        write_second(self.folder, self.asked.second, found)


def look_for_suspects(path: Path, asked: Asked, gone: threading.Event, sha: str | None = None) -> Path:
    """Looks for the suspects of a run's newest weights and returns the folder that holds them. `sha`: of the weights
    for which `request_suspects` has prepared one: an expected failure is then its status, and where a training has
    written newer ones, they are looked through in theirs. Raises ElboRoomError."""
    try:
        case, newest = open_case(path, MOST_IMAGES)
        folder = folder_of(path, newest) if sha == newest else request_suspects(path, newest)
        if sha not in (None, newest):
            say(folder_of(path, sha), sha, "stopped")
        do(SuspectsWork(folder, newest, gone, asked), case)
    except ElboRoomError as error:
        if sha is not None and not isinstance(error, RunBusy):
            say(folder_of(path, sha), sha, "failed", str(error))
        raise
    return folder


def main(arguments: list[str] | None = None) -> int:
    """Looks for the suspects of the run of the command line; returns the exit status."""
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m vae.diagnosis.suspects.process", description=about)
    parser.add_argument("run", type=Path, metavar="RUN_DIR")
    parser.add_argument("--weights", help="SHA-256 of the weights whose folder is prepared")
    parser.add_argument("--evidence", choices=PARTS, help="also log p(x) of this part's images")
    parser.add_argument("--samples", type=int, default=SAMPLES, help=f"of each image (default {SAMPLES})")
    parser.add_argument("--second", default="", help="also another dataset's held-out images")
    let_idle_threads_sleep()
    compute_on_one_thread()
    write_plainly()
    options = parser.parse_args(arguments)
    gone = threading.Event()
    watch_input(gone)
    asked = Asked(options.evidence, options.samples, options.second)
    try:
        look_for_suspects(options.run, asked, gone, options.weights)
    except (ElboRoomError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

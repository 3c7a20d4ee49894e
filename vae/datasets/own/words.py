"""A report in words: for the page and for the terminal."""

from __future__ import annotations

from typing import Any

MOST = 8  # names in a line


def report_lines(report: dict[str, Any]) -> dict[str, str]:
    """Returns a report (as JSON) as headings with a line each; only what there is to say."""
    lines = {"pictures": f"{report['images']:,} can be used"}
    smallest, largest = (" × ".join(f"{side:,}" for side in report[end]) for end in ("smallest", "largest"))
    lines["sizes"] = (
        f"{smallest}, all of them" if report["different_sizes"] == 1
        else f"{report['different_sizes']:,} different, from {smallest} to {largest}"
    )  # fmt: skip
    lines["colours"] = (
        f"{report['coloured']:,} in colour, {report['images'] - report['coloured']:,} grey; as stored: "
        + ", ".join(f"{mode} {count:,}" for mode, count in report["modes"].items())
    )
    if report["classes"] is not None:
        lines["classes"] = f"{len(report['classes']):,}: {_counts(report['classes'])}"
    if report["parts"] is not None:
        lines["parts"] = _counts(report["parts"])
    lines["the same twice"] = _twins(report["exact"], "exactly, to the byte")
    lines["nearly the same"] = _twins(report["near"], "to the eye") + (
        "; there may be more, the search was cut short" if report["near"]["cut"] else ""
    )
    if report["blank"]:
        lines["blank"] = f"{report['blank']:,} of a single colour: {_some(report['blanks'], report['blank'])}"
    if report["empty"]:
        lines["empty folders"] = _some(report["empty"], len(report["empty"]))
    lines["skipped"] = f"{report['skipped']:,}" if report["skipped"] else "none"
    if report["notes"]:
        lines["decided"] = " ".join(f"{note} ({count:,} pictures)" for note, count in report["notes"].items())
    return lines


def choices_line(choices: dict[str, Any]) -> str:
    """Returns the choices that a dataset was made by (as JSON), in words."""
    height, width = choices["size"]
    held_out = choices["held_out"]
    part = "the given part held out" if held_out == "given" else f"{held_out:.0%} held out"
    part += ", of each class alike" if choices["stratify"] and held_out != "given" else ""
    fit = {"crop": "cropped", "pad": "padded", "stretch": "stretched"}[choices["fit"]]
    return f"{height} × {width}, {fit}, {'colour' if choices['colour'] else 'grey'}, {part}"


def _counts(counts: dict[str, int]) -> str:
    more = f" and {len(counts) - MOST:,} more" if len(counts) > MOST else ""
    return ", ".join(f"{name} {count:,}" for name, count in list(counts.items())[:MOST]) + more


def _twins(twins: dict[str, Any], how: str) -> str:
    if not twins["images"]:
        return f"none, {how}"
    pairs = "; ".join(f"{later} as {earlier}" for earlier, later in twins["pairs"][:3])
    return f"{twins['images']:,} {how}: {pairs}" + ("; …" if twins["images"] > 3 else "")


def _some(names: Any, count: int) -> str:
    return ", ".join(names[:3]) + (f" and {count - 3:,} more" if count > 3 else "")

"""A diagnosis for programs, as JSON; for people, as lines of text and as one HTML file that opens offline."""

from __future__ import annotations

import json
import textwrap
from html import escape
from typing import Any

from vae.diagnosis.finding import measured
from vae.diagnosis.results import Diagnosis, Result, answer_json
from vae.model.latent_words import words_of
from vae.runs import Run
from vae.runs.own_numbers import why_no_likelihood

LINE = 100  # characters of a line of text


def diagnosis_json(run: Run, diagnosis: Diagnosis) -> dict[str, Any]:
    """Returns the findings, those found first and by nats at stake, as JSON values without pictures; `not_told`: those
    that do not apply to this run or could not tell."""
    results = diagnosis.sorted()
    answered = [(result, result.answer) for result in results if result.answer is not None]
    status = diagnosis.status
    return {
        "run": str(run.path),
        "weights": status.weights,
        "images": status.source,
        "state": status.state,
        "seconds": status.seconds,
        "caveat": why_no_likelihood(run.config, run.data),
        "nats": diagnosis.nats,
        "findings": [
            {"name": result.name, "question": result.question}
            | {name: value for name, value in answer_json(answer).items() if name not in ("picture", "detail")}
            for result, answer in answered
        ],
        "not_told": [
            {"name": result.name, "question": result.question, "why": result.why_not or result.failed}
            for result in results
            if result.answer is None
        ],
    }


def headline(run: Run, diagnosis: Diagnosis) -> str:
    """Returns `demo: 3 findings, 5.1 nats at stake`."""
    count = sum(result.answer.found for result in diagnosis.results.values() if result.answer)
    if not count:
        return f"{run.name}: nothing found"
    return f"{run.name}: {count} finding{'s' * (count != 1)}, {diagnosis.nats:,.1f} nats at stake"


def diagnosis_lines(run: Run, diagnosis: Diagnosis) -> list[str]:
    """Returns the lines that people read."""
    lines = [headline(run, diagnosis), facts(run, diagnosis), *([_caveat(run)] if _caveat(run) else []), ""]
    for result in diagnosis.sorted():
        if result.answer is None:
            lines += _wrapped(f"–  {result.question}", result.why_not or result.failed)
        else:
            mark = "!" if result.answer.found else "✓"
            stake = f" ({result.answer.nats:,.2f} nats at stake)" if result.answer.found else ""
            lines += _wrapped(f"{mark}  {result.answer.title}: {result.answer.shown}{stake}", result.answer.sentence)
    return lines


def _wrapped(first: str, rest: str) -> list[str]:
    return [first, *textwrap.wrap(rest, LINE, initial_indent="   ", subsequent_indent="   ")]


def facts(run: Run, diagnosis: Diagnosis) -> str:
    """Returns what was looked at: data, model, images, time."""
    config, status = run.config, diagnosis.status
    likelihood = (config.likelihood or "likelihood not told").replace("-", " ")
    parts = [str(run.data.get("name", config.dataset)), words_of(config.latent).short(config.latent_dim), likelihood]
    parts += [status.source] if status.source else []
    parts += [f"{status.seconds:,.1f} s", f"weights {status.weights[:8]}"]
    parts += [] if status.state == "finished" else [f"{status.state}: {len(diagnosis.results)} findings asked"]
    return " · ".join(parts)


def _caveat(run: Run) -> str:
    return why_no_likelihood(run.config, run.data)


# ---- HTML


POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"  # nothing is fetched, nothing runs
STYLE = """
:root {
  color-scheme: light dark;
  --text: light-dark(#20242c, #ece8df); --ground: light-dark(#fbfaf6, #15171c); --card: light-dark(#f3f0e9, #1e2128);
  --faint: light-dark(#63645f, #a09c93); --hair: light-dark(#e2ddd2, #32363f);
  --distortion: light-dark(#d55e00, #f07f34); --rate: light-dark(#0072b2, #56a8e0);
  --prior: light-dark(#1f7f37, #5bbd72); --posterior: light-dark(#aa3377, #dd7fb4);
  --sample: light-dark(#b98300, #e3b341); --bad: light-dark(#b3261e, #ff8a80);
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 68rem; background: var(--ground); color: var(--text);
  font: 0.95rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: break-word;
}
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0; }
h2 { font-size: 1.05rem; margin: 0; }
.about, dl, footer { color: var(--faint); font-size: 0.85rem; }
.about { margin: 0.25rem 0 1.25rem; }
.caveat { border-left: 3px solid var(--sample); padding-left: 0.8rem; }
article {
  display: grid; grid-template-columns: 1.4rem minmax(0, 1fr) minmax(0, 27rem); gap: 0 1.25rem;
  padding: 1.1rem 0; border-top: 1px solid var(--hair); break-inside: avoid;
}
.mark { color: var(--prior); font-weight: 700; }
.found .mark { color: var(--bad); }
.told .mark { color: var(--faint); }
.shown { font-size: 1.25rem; font-weight: 650; margin: 0.1rem 0 0.35rem; }
.words p { margin: 0 0 0.5rem; max-width: 62ch; }
.words ul { margin: 0 0 0.5rem; padding-left: 1.1rem; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 0 0.7rem; margin: 0; }
dd { margin: 0; }
svg { display: block; width: 100%; height: auto; --idea: var(--text); }
svg svg { width: auto; }
svg .distortion { --idea: var(--distortion); } svg .rate { --idea: var(--rate); }
svg .prior { --idea: var(--prior); } svg .posterior { --idea: var(--posterior); }
svg .sample { --idea: var(--sample); } svg .faint { --idea: var(--faint); } svg .bad { --idea: var(--bad); }
svg .elbo { --idea: var(--text); }
svg .line { fill: none; stroke: var(--idea); stroke-width: 1.8; stroke-linejoin: round; }
svg .dashed { stroke-dasharray: 5 4; }
svg .area { fill: var(--idea); fill-opacity: 0.16; stroke: none; }
svg .bar { fill: var(--idea); }
svg .dots { fill: none; stroke: var(--idea); stroke-width: 3; stroke-linecap: round; stroke-opacity: 0.75; }
svg .marker { fill: var(--idea); stroke: var(--ground); stroke-width: 1.2; }
svg .axis { stroke: var(--hair); stroke-width: 1; }
svg text { fill: var(--faint); font-size: 11px; }
svg text.named { fill: var(--idea); font-size: 12px; }
@media (max-width: 46rem) {
  article { grid-template-columns: 1.4rem minmax(0, 1fr); }
  .picture { grid-column: 1 / -1; margin-top: 0.6rem; }
}
@media print {
  :root { color-scheme: light; }
  body { max-width: none; padding: 0; }
}
"""


def report_html(run: Run, diagnosis: Diagnosis) -> str:
    """Returns the report: one file with its figures in it, which fetches nothing and runs nothing. The JSON for
    programs lies in it too, under the id `diagnosis`."""
    caveat = _caveat(run)
    data = json.dumps(diagnosis_json(run, diagnosis), allow_nan=False).replace("<", "\\u003c")
    body = "\n".join(_article(result) for result in diagnosis.sorted())
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{escape(headline(run, diagnosis))}</title>
<style>{STYLE}</style>
</head>
<body>
<h1><bdi>{escape(headline(run, diagnosis))}</bdi></h1>
<p class="about">{escape(facts(run, diagnosis))}</p>
{f'<p class="caveat">{escape(caveat)}</p>' if caveat else ""}
<main>
{body}
</main>
<footer><p>Sorted by nats at stake, per image. Written by ELBO Room.</p></footer>
<script type="application/json" id="diagnosis">{data}</script>
</body>
</html>
"""


def _article(result: Result) -> str:
    answer = result.answer
    if answer is None:
        why = result.why_not or f"Could not be told: {result.failed}"
        return _row("told", "–", f"<h2>{escape(result.question or result.name)}</h2><p>{escape(why)}</p>", "")
    tries = "".join(f"<li>{escape(one.words)}</li>" for one in answer.advice)
    words = (
        f'<h2>{escape(answer.title)}</h2><p class="shown">{escape(answer.shown)}</p><p>{escape(answer.sentence)}</p>'
        + (f"<ul>{tries}</ul>" if tries else "")
        + f"<dl>{_facts_of(result)}</dl>"
    )
    return _row("found" if answer.found else "", "●" if answer.found else "✓", words, answer.picture + answer.detail)


def _row(kind: str, mark: str, words: str, picture: str) -> str:
    spoken = {"●": "found", "✓": "not found", "–": "not told"}[mark]
    return (
        f'<article class="{kind}"><span class="mark" role="img" aria-label="{spoken}">{mark}</span>'
        f'<div class="words">{words}</div><div class="picture">{picture}</div></article>'
    )


def _facts_of(result: Result) -> str:
    answer = result.answer
    assert answer is not None
    pairs = {"Question": result.question}
    if answer.found:
        pairs["At stake"] = f"{answer.nats:,.2f} nats an image"
    if answer.value is not None:
        pairs["Number"] = f"{measured(answer.value, answer.standard_error)} {answer.unit}"
    if answer.at_most is not None:
        pairs["At most"] = f"{measured(answer.at_most)} {answer.unit}"
    if answer.threshold is not None:
        pairs["Threshold"] = measured(answer.threshold)
    if answer.source:
        pairs["Source"] = answer.source
    if answer.n is not None:
        pairs["n"] = f"{answer.n:,}"
    return "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs.items())

"""The findings that have a name. A new one is a class in a file of its own here, and one line in FINDINGS."""

from vae.diagnosis.finding import Finding
from vae.diagnosis.findings.collapsed import Collapsed

FINDINGS: dict[str, Finding] = {finding.name: finding for finding in (Collapsed(),)}

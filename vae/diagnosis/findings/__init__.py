"""The findings that have a name. A new one is a class in a file of its own here, and one line in FINDINGS."""

from vae.diagnosis.finding import Finding
from vae.diagnosis.findings.bits import Bits
from vae.diagnosis.findings.collapsed import Collapsed
from vae.diagnosis.findings.converged import Converged
from vae.diagnosis.findings.holes import Holes
from vae.diagnosis.findings.knows import Knows
from vae.diagnosis.findings.loose_bound import LooseBound
from vae.diagnosis.findings.noise_level import NoiseLevel
from vae.diagnosis.findings.overfitting import Overfitting
from vae.diagnosis.findings.samples import Samples

FINDINGS: dict[str, Finding] = {
    finding.name: finding
    for finding in (
        Collapsed(),
        NoiseLevel(),
        Overfitting(),
        Converged(),
        Bits(),
        Holes(),
        LooseBound(),
        Samples(),
        Knows(),
    )
}

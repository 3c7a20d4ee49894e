"""Binary laboratory: a run whose latent is bits, `?run=name&z=1_0_1...`, and a race of gradient estimators on a toy."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui import style
from ui.binary import laboratory
from ui.binary.race import race_section
from ui.components.explore import z_fault
from ui.components.explore_modes import said
from ui.runs.chooser import choose_run
from vae import runs

EXPLORE = Path(__file__).with_name("explore.py")
KNOWN = ("run", *laboratory.FIELDS)


def check_address() -> None:
    """The address may hold anything; what this page does not know is taken out, and said."""
    unknown = sorted(set(st.query_params) - set(KNOWN))
    for name in unknown:
        del st.query_params[name]
    if unknown:
        named = ", ".join(name[:20] for name in unknown[:3])
        style.notice(f"The address held settings that this page does not know ({named}); they were left out.")


@st.fragment
def bits(path: Path, k: int) -> None:
    """A fragment: a flipped bit draws nothing else anew."""
    view = said(path.name, laboratory.KEY, laboratory.FIELDS)
    if view is not None:
        view.pop("open")
        st.query_params.from_dict({"run": path.name, **view})
    fault = z_fault(st.query_params.get("z", ""), k, "binary")
    if fault:
        del st.query_params["z"]
        style.notice(f"The z of the address could not be used: {fault} Shown instead is the code of zeros.")
    laboratory.bit_laboratory(path.name, dict(st.query_params.items()))
    here = {name: st.query_params[name] for name in ("run", "z") if name in st.query_params}
    st.page_link(EXPLORE, label="Open this code in Explore", icon=":material/tune:", query_params=here)


def of_run(path: Path) -> None:
    bits(path, runs.read_config(path)[0].latent_dim)
    st.divider()
    st.subheader("Gradient estimators on these weights")
    st.markdown(
        r"Each estimates $g = \nabla_{l}\,\mathbb{E}_q[\log q(z|x) - \log p(z) - \log p(x|z)]$ in the logits $l$ of "
        r"$q(z|x)$. Total variance: $\mathbb{E}\|\hat g - \mathbb{E}\hat g\|^2$, mean over images. Relative bias: "
        r"$\|\mathbb{E}\hat g - g\| / \|g\|$, with $g$ by the sum over all codes; $\pm$ is what noise alone leaves of "
        "it after so many estimates. That an estimator has no bias is known; so are, by all codes, the variances of "
        "score, RLOO and the printed rule; the rest is measured on these draws."
    )
    laboratory.estimators(path)


check_address()
st.html(style.STATIC / "shared/pages.css")
style.lead("Binary laboratory")
path = choose_run("Binary laboratory", offer=laboratory.has_bits)
if path is not None:
    st.set_page_config(page_title=f"{path.name} · Binary laboratory · ELBO Room")
    if laboratory.has_bits(path):
        of_run(path)
    else:
        style.problem(f"The latent of “{path.name}” is no binary one: choose a run with bits above.")
st.divider()
st.subheader("A race on a toy")
st.markdown(
    r"One image of $D$ pixels, a fixed random decoder $\mathcal N(x; A(2z-1), cI)$; only $q$ is learned, by gradient "
    r"descent (Adam) on its logits. The printed rule $-\mathbb{E}_q[\nabla\log q\,(\log p(z) + \log p(x|z))]$ leaves "
    r"out $\log q$: no KL is left, and it drives $q$ to a single code. It is followed here without noise, summed "
    "over all codes."
)
race_section()

"""Binary laboratory: a run whose latent is bits, `?run=name&z=1_0_1...`, and a race of gradient estimators on a toy."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui import style
from ui.address import check_address, check_z
from ui.binary import laboratory
from ui.binary.race import race_section
from ui.components.explore_modes import received
from ui.runs.chooser import choose_run
from ui.runs.run_view import RunView

EXPLORE = Path(__file__).with_name("explore.py")


@st.fragment
def bits(path: Path, k: int) -> None:
    """Draws the bits. A fragment: a flipped bit draws nothing else anew."""
    view = received(path.name, laboratory.KEY, laboratory.FIELDS)
    if view is not None:
        view.pop("open")
        st.query_params.from_dict({"run": path.name, **view})
    check_z(k, "binary", "code of all zeros")
    laboratory.bit_laboratory(path.name, dict(st.query_params.items()))
    here = {name: st.query_params[name] for name in ("run", "z") if name in st.query_params}
    st.page_link(EXPLORE, label="Open this code in Explore", icon=":material/tune:", query_params=here)


def of_run(view: RunView) -> None:
    """Draws what belongs to a run with bits: the bits under one hand, the estimators on its weights."""
    bits(view.path, view.config.latent_dim)
    st.divider()
    st.subheader("Gradient estimators on these weights")
    st.markdown(
        r"Each estimates $g = \nabla_{l}\,\mathbb{E}_q[\log q(z|x) - \log p(z) - \log p(x|z)]$ in the logits $l$ of "
        r"$q(z|x)$. Total variance: $\mathbb{E}\|\hat g - \mathbb{E}\hat g\|^2$, mean over images. Relative bias: "
        r"$\|\mathbb{E}\hat g - g\| / \|g\|$, with $g$ by the sum over all codes; $\pm$ is what noise alone "
        "would leave of it after that many estimates. Which estimators have no bias is known; the variances of score, "
        "RLOO and the printed rule are computed exactly, by all codes; the rest is measured on these draws."
    )
    laboratory.estimators(view)


check_address(laboratory.FIELDS)
st.html(style.STATIC / "shared/pages.css")
style.lead("Binary laboratory")
view = choose_run("Binary laboratory", offer=laboratory.has_bits)
if view is not None:
    st.set_page_config(page_title=f"{view.name} · Binary laboratory · ELBO Room")
    if laboratory.has_bits(view):
        of_run(view)
    else:
        style.problem(f"The latent of “{view.name}” is not binary: choose a run with bits above.")
st.divider()
st.subheader("A race on a toy")
st.markdown(
    r"One image of $D$ pixels, a fixed random decoder $\mathcal N(x; A(2z-1), cI)$; only $q$ is learned, by gradient "
    r"descent (Adam) on its logits. The printed rule $-\mathbb{E}_q[\nabla\log q\,(\log p(z) + \log p(x|z))]$ leaves "
    r"out $\log q$: no KL is left, and it drives $q$ to a single code. It is followed here without noise, summed "
    "over all codes."
)
race_section()

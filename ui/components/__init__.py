"""The parts of a page that draw themselves in the browser: they follow a run over the live connection of their tab.

Each function mounts one component in a Streamlit script. Their modules are in `ui/static/`.
"""

from ui.components.link import link
from ui.components.live import C_slider, live_charts, live_preview, live_trail, rate_bars, run_state

__all__ = ["C_slider", "link", "live_charts", "live_preview", "live_trail", "rate_bars", "run_state"]

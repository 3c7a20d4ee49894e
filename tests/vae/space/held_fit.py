"""A fit's process that stands still at a frame until it is to stop: none ends before a test has looked at it."""

import sys

COMMAND = (
    sys.executable,
    "-c",
    """
import sys, time
from vae.space import fit_process
receive = fit_process.LayoutFit._receive
def held(self, frame):
    self.next_frame = 0.0
    receive(self, frame)
    while frame.iteration >= 10 and not self._wanted_stop():
        time.sleep(0.02)
    return self._wanted_stop()
fit_process.LayoutFit._receive = held
sys.exit(fit_process.main())
""",
)

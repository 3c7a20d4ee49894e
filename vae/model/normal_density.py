"""The constant of every normal density in nats: −log N(x; m, c) = (x − m)² / (2c) + ½ (log 2π + log c)."""

import math

LOG_2PI = math.log(2 * math.pi)

"""What comes in from other people's code? Their training loops write a run (`log`), their models become one.

A run of that kind says `network: "yours"` in its config (`Config.is_yours`): every page shows it, C and the learning
rate are turned in it while it trains, and what only our own trainer can do is not offered.
"""

"""The Learn page's lessons.

steps        the order, the equations, the reasons
evidence, divergences, sampling, noise, gradients, misprints     the live checks, a function each
controls     sliders, new samples
checks       two numbers side by side, and whether they agree
drawing, figure     small figures
"""

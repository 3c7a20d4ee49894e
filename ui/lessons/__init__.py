"""The Learn page's lessons.

steps        the order, the equations, the reasons
evidence, divergences, sampling, noise, gradients, misprints     the live checks, a function each
controls     sliders, new samples
digits       images of digits for the checks that measure
"""

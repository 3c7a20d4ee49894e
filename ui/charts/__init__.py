"""A figure in its frame, and two numbers side by side.

figure      a small figure (`vae.browser.drawing`) with its legend and title
checks      two numbers, and whether they agree
"""

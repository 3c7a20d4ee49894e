"""Figures in SVG, and two numbers side by side.

drawing, figure     small figures
checks              two numbers, and whether they agree
"""

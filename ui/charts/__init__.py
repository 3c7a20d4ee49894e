"""Figures in SVG, and two numbers side by side."""

"""The derivation pages as a static site that works from a folder: no request leaves the machine.

`make site` builds it. Formulas are set by KaTeX when the site is built; all else is Python, and a little JavaScript for
search, the dark theme and the figures that a reader moves.
"""

"""Backburner measured beside a bare INSERT and stock arq, in one run: `python -m bench`."""

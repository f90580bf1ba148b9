"""Durometer: press on code models, before and after compression, and measure what gave way."""

__version__ = "0.1.0"

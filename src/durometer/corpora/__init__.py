"""Data sets to samples."""

"""Robustness measures, intervals and tests; stands on types alone."""

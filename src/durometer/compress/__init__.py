"""Prune, quantize, distill: configuration to artefact."""

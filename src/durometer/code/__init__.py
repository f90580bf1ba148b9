"""Program text and its proofs: parse, scopes, edits, verdicts, distances. No models, no files."""

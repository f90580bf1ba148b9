"""Program text and nothing else: languages, scopes, edits that keep the meaning, and proofs that they do."""

from durometer.code.detect import detect_language
from durometer.code.distance import Distances, distances
from durometer.code.edits import Edit, Rename, RenameMany
from durometer.code.languages import LANGUAGES
from durometer.code.program import Program
from durometer.code.proof import Verdict, prove
from durometer.code.reason import Reason
from durometer.code.scope import Role
from durometer.code.snippet import Identifier, Snippet, Token, parse

__all__ = [
    "LANGUAGES",
    "Distances",
    "Edit",
    "Identifier",
    "Program",
    "Reason",
    "Rename",
    "RenameMany",
    "Role",
    "Snippet",
    "Token",
    "Verdict",
    "detect_language",
    "distances",
    "parse",
    "prove",
]

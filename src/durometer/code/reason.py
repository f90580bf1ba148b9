"""Why an edit is not a rename that keeps the meaning."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """One fault of an edit; ``FUNCTION_NAME`` is a note, not a fault, unless it is forbidden."""

    PARSE_ERROR = "parse_error"  # the edited program has a syntax error that the original has not
    TOKEN_CHANGE = "token_change"  # a code token was added, dropped or replaced
    LITERAL_CHANGED = "literal_changed"  # a string, character or number differs
    INCONSISTENT = "inconsistent"  # one name became two, or only some occurrences were renamed
    NOT_INJECTIVE = "not_injective"  # two names became one
    CAPTURE = "capture"  # the new name is already in use: a reference now means something else
    RESERVED_WORD = "reserved_word"  # the new name is a keyword or a literal
    ILLEGAL_NAME = "illegal_name"  # the new name is no identifier
    RENAMES_CALL = "renames_call"  # a called method or function changed its name
    RENAMES_FIELD = "renames_field"  # a field, attribute or keyword argument changed its name
    RENAMES_TYPE = "renames_type"  # a type changed its name
    UNDECLARED = "undeclared"  # a name that is not declared here (or a label, import, macro) changed
    FUNCTION_NAME = "function_name"  # the snippet's own function changed its name

"""Statement groups: in which kinds of statement a name occurs (BeamAttack, Du et al., FSE 2023)."""

from __future__ import annotations

from collections.abc import Mapping

from durometer.code import Snippet

METHOD, OTHER = "method", "other"
RELEASED_ORDER = (METHOD, "return", "if", "throw", "try", "for", OTHER)

_GROUP_OF_KIND = {
    "return_statement": "return",
    "if_statement": "if",
    "throw_statement": "throw",
    "raise_statement": "throw",
    "try_statement": "try",
    "try_with_resources_statement": "try",
    "for_statement": "for",
    "enhanced_for_statement": "for",
    "for_in_statement": "for",
    "for_range_loop": "for",
}
_FUNCTIONS = frozenset(
    (
        "method_declaration",
        "constructor_declaration",
        "function_definition",
        "function_declaration",
        "method_definition",
    )
)


def statement_groups(snippet: Snippet, names: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
    """Return the names that occur in each group, in the order of ``names``; empty groups are left out.

    An occurrence belongs to the innermost statement around it that is a return, if, throw (Python: raise),
    try or for; to ``method`` if it stands in the function's header; to ``other`` otherwise. A name belongs
    to the groups of all its occurrences.
    """
    node_at = {token.start: token.node for token in snippet.tokens}
    members: dict[str, list[str]] = {group: [] for group in RELEASED_ORDER}
    for name in names:
        found = {_group(snippet, node_at.get(start, -1)) for start in snippet.occurrences(name)}
        for group in found:
            members[group].append(name)
    return {group: tuple(held) for group, held in members.items() if held}


def _group(snippet: Snippet, node: int) -> str:
    tree = snippet.tree
    child = node
    while child >= 0:
        parent = tree.parents[child]
        if parent < 0:
            break
        kind = tree.kinds[parent]
        if kind in _GROUP_OF_KIND:
            return _GROUP_OF_KIND[kind]
        if kind in _FUNCTIONS and tree.fields[child] != "body":
            return METHOD
        child = parent
    return OTHER

"""ALERT's greedy stage as the released code runs it, on our victim: explains each row that ours differs in.

    python benchmarks/released_greedy.py [--samples N] [--without DEPARTURE …]

A replay of what the released code does with a C function, its departures from the paper included. Each is
named, and can be left out to see what it is worth:

- ``mask``: ``<unk>`` in a text becomes the unknown id; our victims read text as text, five characters.
- ``gold``: importance is the drop of the label that the *tokenised* text gets, comments dropped and
  tokens joined by blanks; where that text flips already, names are ranked the other way round.
- ``strings``: the old C grammar has no token for the content of a literal, so that text has empty ones.
- ``all``: every candidate of a name is tried, not the first 30.
- ``newlines``: the two characters ``\\n`` inside literals become a line break before any edit.

Further: a name is every token of that spelling (fields, called functions and undeclared names too), names
are those of the candidate file, and candidates are not checked. Where a row agrees, victim, framing and
candidates are the same, and what ``alert`` does otherwise is due to these departures.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
import tree_sitter
import tree_sitter_c

from attacks import DATA, campaign, reference
from durometer.attacks.candidate_files import read_rows
from durometer.types import Sample
from durometer.victims.oracle import Oracle

DEPARTURES = ("mask", "gold", "strings", "all", "newlines")
MASK, PAPER_TRIED = "<unk>", 30
LITERAL_CONTENT = ("string_content", "character")  # kinds that the old grammar has no node for
COMMENT_OR_LITERAL = re.compile(
    r"//[^\n]*|/\*.*?\*/|'(?:\\.|[^\\'])*'|\"(?:\\.|[^\\\"])*\"", re.DOTALL
)  # the literals only keep comment marks inside them from counting
PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_c.language()))


class Token(NamedTuple):
    """A leaf of the tree, in bytes."""

    kind: str
    start: int
    end: int


def leaves(node: Any) -> list[Token]:
    if not node.children:
        return [] if node.type == "comment" else [Token(node.type, node.start_byte, node.end_byte)]
    return [token for child in node.children for token in leaves(child)]


def renamed(code: str, old: str, new: str) -> str:
    """Return the code with every token of that spelling renamed."""
    data = code.encode()
    parts, reached = [], 0
    for _, start, end in leaves(PARSER.parse(data).root_node):
        if data[start:end] == old.encode():
            parts += [data[reached:start], new.encode()]
            reached = end
    return b"".join([*parts, data[reached:]]).decode()


def importance_words(code: str, *, literals: bool) -> list[str]:
    """Return the words of the text on which importance is measured."""
    bare = COMMENT_OR_LITERAL.sub(lambda m: " " if m[0].startswith("/") else m[0], code)
    data = "\n".join(line for line in bare.split("\n") if line.strip()).encode()
    tokens = leaves(PARSER.parse(data).root_node)
    texts = [data[t.start : t.end].decode() for t in tokens if literals or t.kind not in LITERAL_CONTENT]
    return " ".join(texts).replace("\n", "").split(" ")


class Greedy:
    """The released search on one sample; counts queries as it does."""

    def __init__(self, oracle: Oracle, sample: Sample, departures: Collection[str]) -> None:
        self.oracle, self.sample, self.departures, self.queries = oracle, sample, departures, 0

    def gold(self, texts: Sequence[str]) -> list[float]:
        """Return the gold label's probability of each text."""
        self.queries += len(texts)
        answers = self.oracle.predict([replace(self.sample, code=text) for text in texts])
        return [answer.probabilities[int(self.sample.label or 0)] for answer in answers]

    def ranked(self, code: str, names: Collection[str]) -> list[str]:
        words = importance_words(code, literals="strings" not in self.departures)
        places = [(place, name) for name in names for place, word in enumerate(words) if word == name]
        if not places:
            return []
        masked = [" ".join([*words[:place], MASK, *words[place + 1 :]]) for place, _ in places]
        base, *values = self.gold([" ".join(words), *masked])
        turned = -1 if base < 0.5 and "gold" in self.departures else 1
        importance: dict[str, float] = {}
        for (_, name), value in zip(places, values, strict=True):
            importance[name] = importance.get(name, 0.0) + turned * (base - value)
        return sorted(importance, key=lambda name: -importance[name])

    def run(self, candidates: Mapping[str, Sequence[str]]) -> tuple[bool, dict[str, str]]:
        code = self.sample.code
        if "newlines" in self.departures:
            code = code.replace("\\n", "\n")
        (score,) = self.gold([self.sample.code])
        renames: dict[str, str] = {}
        for name in self.ranked(code, candidates):
            tried = candidates[name][: None if "all" in self.departures else PAPER_TRIED]
            if not tried:
                continue
            programs = [renamed(code, name, new) for new in tried]
            values = self.gold(programs)
            flipped = next((new for new, value in zip(tried, values, strict=True) if value < 0.5), None)
            if flipped is not None:
                return True, {**renames, name: flipped}
            best = min(range(len(values)), key=values.__getitem__)
            if values[best] < score:
                score, renames[name], code = values[best], tried[best], programs[best]
        return False, renames


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=75)
    parser.add_argument("--without", nargs="*", default=[], choices=DEPARTURES)
    options = parser.parse_args()
    torch.set_num_threads(1)
    described = campaign("alert")
    oracle = described.open().oracle
    oracle.victim.text.tokenizer.encode_special_tokens = "mask" in options.without
    file = dict(read_rows(DATA / "devign" / "test_substitutes_codebert_0_1366.jsonl.gz"))
    departures = set(DEPARTURES) - set(options.without)
    counts = dict.fromkeys(("greedy rows", "same outcome", "same names", "same queries"), 0)
    genetic = dict.fromkeys(("genetic rows", "greedy fails too"), 0)
    for position, row in list(reference("alert").items())[: options.samples]:
        sample = described.all_samples[position]
        search = Greedy(oracle, sample, departures)
        success, renames = search.run(file[f"idx:{sample.id}"])
        if not row["type"].startswith("Greedy"):  # the row does not say what greedy took before
            genetic["genetic rows"] += 1
            genetic["greedy fails too"] += not success
            print(
                json.dumps({"sample": sample.id, "genetic": True, "greedy fails too": not success}),
                flush=True,
            )
            continue
        pairs = dict(pair.split(":", 1) for pair in row["replaced"].split(",") if ":" in pair)
        theirs = {old: new for old, new in pairs.items() if old != new}
        same = (success == (row["success"] == "1"), renames == theirs, search.queries == int(row["queries"]))
        counts = {
            name: count + value for (name, count), value in zip(counts.items(), (1, *same), strict=True)
        }
        record = {"sample": sample.id, "same": same, "queries": [search.queries, int(row["queries"])]}
        print(json.dumps(record if same[1] else {**record, "names": [renames, theirs]}), flush=True)
    print(json.dumps({"without": options.without, **counts, **genetic}))


if __name__ == "__main__":
    main()

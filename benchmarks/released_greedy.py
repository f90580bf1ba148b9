"""ALERT's greedy stage as the released code runs it, on our victim: explains each row that ours differs in.

    python benchmarks/released_greedy.py [--samples N]

Reproduced here, and different in ``durometer.attacks.alert``: importance is measured on the tokens joined by
blanks, comments dropped; a name is every identifier token of that spelling (fields, called functions and
undeclared names too); names are those of the candidate file; candidates are not checked; ``\\n`` in
literals becomes a line break. Where this agrees
with a reference row, victim, framing and candidates are the same, and what ``alert`` does otherwise is due to
these departures.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence

import torch

from attacks import DATA, campaign, reference
from durometer.attacks.candidate_files import read_rows
from durometer.code import Snippet, parse
from durometer.types import Sample
from durometer.victims.oracle import Oracle

MASK, TRIED = "<unk>", 30


def replaced(snippet: Snippet, renames: Mapping[str, str]) -> str:
    """Return the source with every identifier token renamed by its spelling."""
    data, parts, reached = snippet.source.encode("utf-8", "surrogateescape"), [], 0
    for token in snippet.tokens:
        if token.kind == "identifier" and token.text in renames:
            parts += [data[reached : token.start], renames[token.text].encode()]
            reached = token.end
    return b"".join([*parts, data[reached:]]).decode("utf-8", "surrogateescape")


class Greedy:
    """The released search on one sample; counts queries as it does."""

    def __init__(self, oracle: Oracle, sample: Sample) -> None:
        self.oracle, self.sample, self.queries = oracle, sample, 0

    def scores(self, texts: Sequence[str]) -> list[float]:
        from dataclasses import replace

        self.queries += len(texts)
        answers = self.oracle.predict([replace(self.sample, code=text) for text in texts])
        return [answer.probabilities[int(self.sample.label or 0)] for answer in answers]

    def run(self, candidates: Mapping[str, Sequence[str]]) -> tuple[bool, dict[str, str]]:
        # The released code turns the two characters \\n inside literals into a line break, before it edits.
        snippet = parse(self.sample.code.replace("\\n", "\n"), self.sample.language)
        words = [token.text for token in snippet.tokens]
        (score,) = self.scores([self.sample.code])
        places = [(i, word) for i, word in enumerate(words) if word in candidates]
        if not places:
            return False, {}
        masked = [" ".join([*words[:i], MASK, *words[i + 1 :]]) for i, _ in places]
        base, *drops = self.scores([" ".join(words), *masked])
        importance: dict[str, float] = {}
        for (_, word), value in zip(places, drops, strict=True):
            importance[word] = importance.get(word, 0.0) + base - value
        renames: dict[str, str] = {}
        for name in sorted(importance, key=lambda name: -importance[name]):
            tried = candidates[name][:TRIED]
            if not tried:
                continue
            values = self.scores([replaced(snippet, {**renames, name: new}) for new in tried])
            flipped = next((new for new, value in zip(tried, values, strict=True) if value < 0.5), None)
            if flipped is not None:
                return True, {**renames, name: flipped}
            best = min(range(len(values)), key=values.__getitem__)
            if values[best] < score:
                score, renames[name] = values[best], tried[best]
        return False, renames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=75)
    options = parser.parse_args()
    torch.set_num_threads(1)
    described = campaign("alert")
    bench = described.open()
    file = dict(read_rows(DATA / "devign" / "test_substitutes_codebert_0_1366.jsonl.gz"))
    agree = total = 0
    for position, row in list(reference("alert").items())[: options.samples]:
        if not row["type"].startswith("Greedy"):
            continue  # where the genetic stage followed, the row does not say how many queries greedy took
        sample = described.all_samples[position]
        search = Greedy(bench.oracle, sample)
        success, renames = search.run(file[f"idx:{sample.id}"])
        theirs = dict(pair.split(":", 1) for pair in row["replaced"].split(",") if ":" in pair)
        found = {old: new for old, new in theirs.items() if old != new}
        same = success == (row["success"] == "1") and (not success or renames == found)
        agree, total = agree + same, total + 1
        print(
            json.dumps(
                {
                    "sample": sample.id,
                    "same": same,
                    "success": [success, row["success"] == "1"],
                    "queries": [search.queries, int(row["queries"])],
                    "renames": [renames, found] if not same else renames,
                }
            ),
            flush=True,
        )
    print(json.dumps({"agree": agree, "compared": total}))


if __name__ == "__main__":
    main()

"""Play a search against a table of made-up scores, and write down what it asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from durometer.attacks.base import Search
from durometer.code import Program, Snippet, parse
from durometer.types import Prediction

SNIPPET = "def f(alpha, beta):\n    total = alpha + beta\n    return total\n"
Asked = dict[str, str] | str  # the renames of a program, or the text of a probe
Script = Callable[[Asked], float]


class GoldBelowHalf:
    """The goal of a two-class task whose gold class is 0."""

    def score(self, prediction: Prediction) -> float:
        return prediction.probabilities[0]

    def reached(self, prediction: Prediction) -> bool:
        return prediction.label != 0


def snippet(text: str = SNIPPET) -> Snippet:
    return parse(text, "python")


def asked(program: Program) -> Asked:
    return program.text if program.is_probe else dict(program.renames)


def table(scores: Mapping[tuple[tuple[str, str], ...], float], default: float = 0.9) -> Script:
    """Scores by sorted renames; probes and all else get the default."""
    return lambda what: default if isinstance(what, str) else scores.get(tuple(sorted(what.items())), default)


def prediction(gold: float) -> Prediction:
    return Prediction(probabilities=(gold, 1.0 - gold))


def play(search: Search, script: Script) -> tuple[list[list[Asked]], Program | None]:
    """Return the batches asked for, and what the search returned. Answers are cut as the driver cuts."""
    transcript: list[list[Asked]] = []
    try:
        batch = next(search)
        while True:
            transcript.append([asked(program) for program in batch])
            answers = []
            for program in batch:
                answers.append(prediction(script(asked(program))))
                if not program.is_probe and answers[-1].label != 0:
                    break
            batch = search.send(answers)
    except StopIteration as stop:
        return transcript, stop.value


def probes(text: str, name: str, starts: list[int], mask: str = "<unk>") -> list[str]:
    """The snippet with the occurrence of ``name`` at each start masked."""
    return [text[:start] + mask + text[start + len(name) :] for start in starts]


def starts(text: str, name: str) -> list[int]:
    """Starts of ``name`` in ``text``; the snippets here use no name inside another."""
    found, position = [], text.find(name)
    while position >= 0:
        found.append(position)
        position = text.find(name, position + 1)
    return found

"""How a value gets from its source to the sink in a generated CWE case: one function per flow variant.

Each writes both members of a pair: the same statements in another order, or the same expressions in
another place, so that no bag of words or of neighbouring words tells them apart. What does is the order of
two statements (``late_…``, ``overwritten``, ``retried``), which of two branches or slots holds what
(``guarded_branch``, ``branched``, ``stored``), which of two calls holds the value (``direct``, ``wrapped``),
or which of two variables is used where (``cleaned``, ``guarded``; the hardest to learn).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from durometer.corpora.cwe_text import Writer

Flow = Callable[[Writer, bool], None]


def _late(w: Writer, defence: Callable[[str], None], vulnerable: bool) -> None:
    """Write a value from outside, its use and a defence: the defence comes too late in the vulnerable one."""
    name = w.declare(w.source())
    w.filler()
    w.in_order(lambda: w.sink(name), lambda: defence(name), first_first=vulnerable)


def late_guard(w: Writer, vulnerable: bool) -> None:
    """A check that leaves the function, before the sink or after it."""
    _late(w, w.guard, vulnerable)


def late_refusal(w: Writer, vulnerable: bool) -> None:
    """A check that ends in an error, before the sink or after it."""
    _late(w, w.refuse, vulnerable)


def late_clean(w: Writer, vulnerable: bool) -> None:
    """The variable is cleaned before the sink or after it."""
    _late(w, lambda name: w.assign(name, w.clean(name)), vulnerable)


def late_reset(w: Writer, vulnerable: bool) -> None:
    """The variable gets a constant before the sink or after it."""
    _late(w, lambda name: w.assign(name, w.constant()), vulnerable)


def late_source(w: Writer, vulnerable: bool) -> None:
    """The variable holds a constant and gets the value from outside before the sink or after it."""
    name = w.declare(w.constant())
    w.filler()
    w.in_order(lambda: w.assign(name, w.source()), lambda: w.sink(name), first_first=vulnerable)


def overwritten(w: Writer, vulnerable: bool) -> None:
    """One variable is written from outside and with a constant: which comes last."""
    first, last = (w.constant(), w.source()) if vulnerable else (w.source(), w.constant())
    name = w.declare(first)
    w.filler()
    w.assign(name, last)
    w.filler()
    w.sink(name)
    w.filler()


def retried(w: Writer, vulnerable: bool) -> None:
    """A loop that reads again until the check passes, before the sink or after it."""
    _late(w, w.retry, vulnerable)


def guarded_branch(w: Writer, vulnerable: bool) -> None:
    """A check with two branches: the sink stands in the one for values that passed, or in the other."""
    name = w.declare(w.source())
    w.filler()
    passed, failed = w.sink_text(name), w.harmless_text(name)
    w.branch(w.check(name), *((failed, passed) if vulnerable else (passed, failed)))
    w.filler()


def branched(w: Writer, vulnerable: bool) -> None:
    """A condition that always holds: its branch takes the value from outside, or the other one does."""
    flag = w.flag()
    name = w.declare(w.constant())
    w.filler()
    outside, inside = f"{name} = {w.source()}", f"{name} = {w.constant()}"
    w.branch(flag, *((outside, inside) if vulnerable else (inside, outside)))
    w.filler()
    w.sink(name)
    w.filler()


def stored(w: Writer, vulnerable: bool) -> None:
    """An array of two: its first element, which reaches the sink, is from outside or constant."""
    name = w.array()
    w.filler()
    first, second = (w.source(), w.constant()) if vulnerable else (w.constant(), w.source())
    w.assign(f"{name}[0]", first)
    w.filler()
    w.assign(f"{name}[1]", second)
    w.filler()
    w.sink(f"{name}[0]")
    w.filler()


def direct(w: Writer, vulnerable: bool) -> None:
    """A value from outside and a constant, both used in place: which of them reaches the sink."""
    w.filler()
    w.use(w.source(), w.constant(), vulnerable)


def wrapped(w: Writer, vulnerable: bool) -> None:
    """The value is used twice, cleaned in place once: at the sink, or where it would do no harm."""
    name = w.declare(w.source())
    w.filler()
    w.use(name, w.clean(name), vulnerable)


def cleaned(w: Writer, vulnerable: bool) -> None:
    """The variable and its cleaned copy: which of them reaches the sink."""
    outside = w.declare(w.source())
    w.filler()
    inside = w.declare(w.clean(outside))
    w.filler()
    w.use(outside, inside, vulnerable)


def guarded(w: Writer, vulnerable: bool) -> None:
    """Two values from outside, one of them checked: whether that one reaches the sink."""
    one, other = w.declare(w.source()), w.declare(w.source())
    w.filler()
    w.guard(one)
    w.filler()
    w.use(other, one, vulnerable)


FLOWS: Mapping[str, Flow] = {
    flow.__name__: flow
    for flow in (
        late_guard,
        late_refusal,
        late_clean,
        late_reset,
        late_source,
        overwritten,
        retried,
        guarded_branch,
        branched,
        stored,
        direct,
        wrapped,
        cleaned,
        guarded,
    )
}

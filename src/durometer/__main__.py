"""``durometer`` and ``python -m durometer``: loads the command line, and may be interrupted while it does."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Entry point of the ``durometer`` command."""
    try:
        from durometer.cli import main as command_line

        command_line()
    except KeyboardInterrupt:  # before the command line listened
        print("durometer: interrupted before it began.", file=sys.stderr)
        raise SystemExit(128 + signal.SIGINT) from None
    finally:  # an interpreter that is interrupted at its own end would complain in many lines
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    main()

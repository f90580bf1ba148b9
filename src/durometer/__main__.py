"""``python -m durometer``: the same as the ``durometer`` command."""

from durometer.cli import main

if __name__ == "__main__":
    main()

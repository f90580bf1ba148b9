#!/usr/bin/env python3
"""Set durometer up beside this file, then do one thing with it.

    python3 run.py demo          the main job: a whole study on code of this machine
    python3 run.py test          the tests, in two processes; any option of pytest may follow (-n 0: in one)
    python3 run.py VERB ...      any durometer verb

Standard library only, and syntax that old interpreters can parse, so that they can say what is missing.
The environment lives in .venv and is made again when pyproject.toml or constraints.txt change.
"""

import hashlib
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ENVIRONMENT = os.path.join(HERE, ".venv")
SCRIPTS = os.path.join(ENVIRONMENT, "Scripts" if os.name == "nt" else "bin")
PYTHON = os.path.join(SCRIPTS, "python.exe" if os.name == "nt" else "python")
STAMP = os.path.join(ENVIRONMENT, "durometer-stamp")
# Two processes: tests start workers of their own. A file stays in one, for its fixtures train victims.
TESTS = ["-n", str(min(2, os.cpu_count() or 1)), "--dist", "loadfile", "--no-loadscope-reorder"]
NEEDED_BYTES = 3 * 1024**3  # an environment takes 2 GB; pip unpacks beside it


def fail(message):
    """Print one clear line and exit."""
    sys.stderr.write("durometer: %s\n" % message)
    sys.exit(1)


def find_python():
    """Return an interpreter of at least Python 3.11: this one, or one on the PATH."""
    if sys.version_info >= (3, 11):
        return sys.executable
    for minor in (14, 13, 12, 11):
        found = shutil.which("python3.%d" % minor)
        if found:
            return found
    fail("needs Python 3.11 or newer; this is %d.%d and no newer one is on the PATH." % sys.version_info[:2])


def wanted_stamp(extras):
    """Return what the environment must have been made from."""
    digest = hashlib.sha256(extras.encode())
    for name in ("pyproject.toml", "constraints.txt"):
        with open(os.path.join(HERE, name), "rb") as file:
            digest.update(file.read())
    return "%s %s" % (extras, digest.hexdigest())


def is_ready(development):
    """Return whether the environment is up to date; one with the tests' extras serves every verb."""
    if not os.path.exists(PYTHON):
        return False
    try:
        with open(STAMP) as file:
            stamp = file.read().strip()
    except OSError:
        return False
    return stamp in [wanted_stamp("dev")] + ([] if development else [wanted_stamp("core")])


def set_up(development):
    """Make or refresh the environment; leave no stamp behind unless it is complete."""
    if shutil.disk_usage(HERE).free < NEEDED_BYTES:
        fail("needs 3 GB of free disk for its environment in %s." % ENVIRONMENT)
    had_development = os.path.exists(STAMP) and open(STAMP).read().startswith("dev ")
    extras = "dev" if development or had_development else "core"
    print("Setting up durometer in .venv (once; a few minutes) ...", flush=True)
    if not os.path.exists(PYTHON):
        made = subprocess.call([find_python(), "-m", "venv", ENVIRONMENT])
        if made != 0:
            shutil.rmtree(ENVIRONMENT, ignore_errors=True)
            fail("could not make .venv; install Python's venv module (Debian: apt install python3-venv).")
    target = HERE + ("[dev]" if extras == "dev" else "")
    command = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--constraint", os.path.join(HERE, "constraints.txt"), "--editable", target]
    if subprocess.call(command) != 0:
        fail(
            "could not install the packages (see above): check the network and the disk, then run this again."
        )
    with open(STAMP, "w") as file:
        file.write(wanted_stamp(extras) + "\n")


def main(arguments):
    """Set up, then hand over to pytest or to durometer."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__.strip())
        if not arguments or not is_ready(False):
            return 0
    testing = arguments[0] == "test"
    try:
        if not is_ready(testing):
            set_up(testing)
        rest = arguments[1:] if testing else arguments
        module = ["pytest"] + TESTS if testing else ["durometer"]
        folder = HERE if testing else os.getcwd()
        return subprocess.call([PYTHON, "-m"] + module + rest, cwd=folder)
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        fail("%s" % error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

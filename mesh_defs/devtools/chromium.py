"""Chromium, which the browser tests drive: found where it is, installed where that needs no question."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

_MAC: Final = (
    Path("/Applications/Chromium.app/Contents/MacOS/Chromium"),
    Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
)


def find_chromium() -> Path | None:
    """Return the browser's program, or None."""
    found = next((path for path in map(shutil.which, NAMES) if path), None)
    if found is not None:
        return Path(found)
    return next((path for path in _MAC if path.exists()), None)


def ensure_chromium(say: Callable[[str], None]) -> Path | None:
    """Return the browser's program; root on Debian installs it first, everybody else is told the command.

    Args:
        say: Is told what is done, or what to do.
    """
    found = find_chromium()
    if found is not None:
        return found
    if sys.platform == "darwin":
        say("the browser tests need Chromium; run: brew install --cask chromium")
        return None
    if not _is_debian() or os.geteuid() != 0:
        how = "run: sudo apt-get install chromium" if _is_debian() else "install it with your package manager"
        say(f"the browser tests need Chromium; {how}")
        return None
    say("installing Chromium for the browser tests: apt-get install chromium")
    for words in (("update",), ("install", "-y", "--no-install-recommends", "chromium")):
        done = subprocess.run(
            ["apt-get", *words, "-qq"],
            check=False,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
        )
        if done.returncode != 0:
            say(f"`apt-get {words[0]}` ended with code {done.returncode}: the browser tests lack Chromium")
    return find_chromium()


def _is_debian() -> bool:
    """Return whether apt knows a package `chromium` that is a browser: Ubuntu's only asks for a snap."""
    try:
        lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return False
    return "ID=debian" in lines

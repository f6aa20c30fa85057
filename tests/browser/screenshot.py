"""`python tests/browser/screenshot.py PAGE PNG`: the top of a page as Debian's chromium shows it, for README and docs."""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

WIDTH, HEIGHT = 1200, 1480


def shoot(page: Path, to: Path) -> None:
    """Open a page from the disk and write what a reader sees first."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        view.goto(page.resolve().as_uri())
        view.locator(".figures svg").first.wait_for()
        view.screenshot(path=to)
        browser.close()


if __name__ == "__main__":
    shoot(Path(sys.argv[1]), Path(sys.argv[2]))

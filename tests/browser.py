"""A headless Chromium as scripts/browser finds or fetches it; run as a program, it tries it."""

import os
from pathlib import Path

from playwright.sync_api import Browser, Playwright, sync_playwright

FOLDER = Path(__file__).parent.parent / ".browser"


def start() -> Playwright:
    """Playwright's driver, on the Node of scripts/browser where its own does not run."""
    if (FOLDER / "node").exists():
        os.environ["PLAYWRIGHT_NODEJS_PATH"] = str(FOLDER / "node")
    return sync_playwright().start()


def launch(playwright: Playwright) -> Browser:
    """Chromium, with the libraries and fonts of a fetched one; a machine's own has its own."""
    environment = {**os.environ, "LD_LIBRARY_PATH": str(FOLDER / "al2023" / "lib")}
    if (FOLDER / "fonts").exists() and not Path("/etc/fonts/fonts.conf").exists():
        environment["FONTCONFIG_PATH"] = str(FOLDER / "fonts")
    return playwright.chromium.launch(
        executable_path=FOLDER / "chromium", args=["--no-sandbox"], env=environment
    )


if __name__ == "__main__":
    playwright = start()
    browser = launch(playwright)
    page = browser.new_page()
    page.set_content("<p>It works</p>")
    assert page.inner_text("p") == "It works"
    browser.close()
    playwright.stop()

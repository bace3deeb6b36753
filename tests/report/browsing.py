"""A report in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, ViewportSize

from tests.waiting import HANG_SECONDS

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


HARMLESS = ("GPU stall due to ReadPixels", "willReadFrequently")
"""What Chromium says about WebGL without a graphics card, and about how Plotly reads canvases."""


VIEWPORT: ViewportSize = {"width": 1240, "height": 900}


def opened(browser: Browser, path: Path, complaints: list[str], **options: Any) -> Page:
    page = browser.new_page(**{"viewport": VIEWPORT, **options})
    page.on(
        "console",
        lambda m: (
            complaints.append(m.text)
            if m.type in ("error", "warning") and not any(words in m.text for words in HARMLESS)
            else None
        ),
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else complaints.append(r.url))
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready=yes]", timeout=1000 * HANG_SECONDS)
    return page

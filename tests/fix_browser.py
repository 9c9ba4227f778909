"""A real browser: Debian's Chromium, driven by Playwright, without any network but loopback."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import playwright.sync_api as playwright
import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.fix_tools import need_tool

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
GRAVE = {"serious", "critical"}
Look = tuple[Literal["light", "dark"], int]
TWO_LOOKS: Sequence[Look] = (("light", 360), ("dark", 1280))
ALL_LOOKS: Sequence[Look] = (*TWO_LOOKS, ("dark", 360), ("light", 1280))


@dataclass
class Browser:
    """Opens pages as phones and desktops do."""

    chromium: playwright.Browser

    @contextmanager
    def open(
        self,
        url: str,
        *,
        width: int,
        scheme: Literal["light", "dark"] = "light",
        own_clock: bool = False,
    ) -> Iterator[playwright.Page]:
        """Have a page for the length of a block; own_clock: its time passes only when told."""
        context = self.chromium.new_context(
            viewport={"width": width, "height": 740}, color_scheme=scheme, locale="pt-BR"
        )
        page = context.new_page()
        if own_clock:
            page.clock.install()
        page.goto(url)
        yield page
        context.close()

    def read_faults(self, url: str, looks: Sequence[Look] = TWO_LOOKS) -> list[str]:
        """Return what is wrong with a page at each width and scheme: axe's grave findings and our own."""
        return [
            f"{scheme} {width}: {fault}"
            for scheme, width in looks
            for fault in self._read_faults(url, width, scheme)
        ]

    def _read_faults(self, url: str, width: int, scheme: Literal["light", "dark"]) -> Iterator[str]:
        said: list[str] = []
        asked: list[str] = []
        with self.open("about:blank", width=width, scheme=scheme) as page:
            page.on("console", lambda message: said.append(message.text))
            page.on("request", lambda request: asked.append(request.url))
            page.goto(url)
            yield from (
                f"{one['id']} ({one['impact']}): {one['nodes'][0]['html']}"
                for one in Axe().run(page).response["violations"]
                if one["impact"] in GRAVE
            )
            if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
                yield "the page is wider than the screen"
        yield from (f"the console says: {text}" for text in said)
        yield from (f"asked elsewhere: {one}" for one in asked if urlsplit(one).hostname != "127.0.0.1")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The browser. While it is there this thread has a running event loop."""
    program = need_tool("chromium")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield Browser(chromium)
        chromium.close()

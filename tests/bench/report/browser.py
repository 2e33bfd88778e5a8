#!/usr/bin/env python3
"""Opens a page that `varve bench --html` wrote in a real browser and looks at it as a reader would: nothing wider than the
window at 360 and at 1280 pixels in light and dark, text that can be read, charts with marks in them, no request, no message.

usage: browser.py PAGE [--shots DIR] [--width N]...
exit 0 = all well, 1 = faults, named one a line, 77 = no browser or no driver on this machine

The browser is driven as for the page of the isolation suite: tests/suite/report/browser.py.

SPDX-License-Identifier: MIT
"""
import argparse
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "suite" / "report"))
sys.dont_write_bytecode = True
from browser import BROWSERS, CROWDED, FAINT, OUTSIDE, SKIPPED, Browser, look_at_logs  # noqa: E402


def look_at_parts(browser, say):
    empty = browser.run("""return [...document.querySelectorAll('svg.chart')].filter(
        s => !s.querySelector('rect.bar, polyline')).map(s => s.querySelector('title').textContent);""")
    say(empty, f"charts without a mark: {empty[:5]}")
    say(browser.run("return document.querySelectorAll('svg.chart').length;") == 0, "there is no chart")
    broken = browser.run("""return [...document.querySelectorAll('polyline')].filter(
        p => /nan|inf/i.test(p.getAttribute('points'))).length;""")
    say(broken, f"{broken} lines have points that are no numbers")
    uneven = browser.run("""const t = document.querySelector('#numbers table'), n = t.querySelectorAll('thead th').length;
        function cells(r) { return [...r.children].reduce((sum, c) => sum + c.colSpan, 0); }
        return [...t.querySelectorAll('tbody tr')].filter(r => cells(r) !== n).map(r => r.textContent.slice(0, 60));""")
    say(uneven, f"rows of another width than the table's head: {uneven[:3]}")
    dead = browser.run("""return [...document.querySelectorAll('a')].filter(a => !a.hash || !document.getElementById(
                          decodeURIComponent(a.hash.slice(1)))).map(a => a.outerHTML.slice(0, 80));""")
    say(dead, f"links that lead nowhere: {dead[:5]}")
    doubled = browser.run("""const n = {}; document.querySelectorAll('[id]').forEach(e => n[e.id] = (n[e.id] || 0) + 1);
                             return Object.keys(n).filter(k => n[k] > 1);""")
    say(doubled, f"ids that stand twice: {doubled[:5]}")


def look_at_sizes(browser, say, widths, shots):
    for width in widths:
        for scheme in ("light", "dark"):
            browser.view(width, 900, scheme)
            if shots:
                browser.shot(shots / f"{width}-{scheme}.png", whole=True)
            for fault in browser.run(OUTSIDE):
                say(True, f"{width} {scheme}: {fault}")
            for fault in browser.run(FAINT):
                say(True, f"{width} {scheme}: too faint: {fault}")
    for fault in browser.run(CROWDED):
        say(True, f"crowded: {fault}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("page", type=pathlib.Path)
    parser.add_argument("--shots", type=pathlib.Path)
    parser.add_argument("--width", type=int, action="append")
    arguments = parser.parse_args()
    binary = next((path for path in map(shutil.which, BROWSERS) if path), None)
    driver = shutil.which("chromedriver")
    if not binary or not driver:
        print("skipped: no chromium and chromedriver here (Debian: chromium chromium-driver)")
        return SKIPPED
    faults = []

    def say(wrong, text):
        if wrong:
            faults.append(text)

    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(binary, driver, profile)
        try:
            address = arguments.page.resolve().as_uri()
            browser.call("POST", "/url", {"url": address})
            look_at_parts(browser, say)
            look_at_sizes(browser, say, arguments.width or [360, 1280], arguments.shots)
            look_at_logs(browser, say, address)
        finally:
            browser.close()
    print("\n".join(faults) if faults else "page: as it should be")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

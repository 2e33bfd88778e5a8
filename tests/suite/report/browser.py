#!/usr/bin/env python3
"""Opens a page that `varve anomalies --html` wrote in a real browser and looks at it as a reader would: no script error, no
request, nothing wider than the window at 360 and at 1280 pixels, every cell there, details that open, text that can be read.

usage: browser.py PAGE [--shots DIR] [--width N]... [--part NAME]
exit 0 = all well, 1 = faults, named one a line, 77 = no browser or no driver on this machine

The browser is driven through chromedriver by its HTTP protocol (WebDriver, W3C 2018), with the standard library alone.

SPDX-License-Identifier: MIT
"""
import argparse
import base64
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SKIPPED = 77


class Browser:
    """One session: a window, and scripts run in it."""

    def __init__(self, binary, driver, profile):
        self.process = subprocess.Popen([driver, "--port=0", "--log-level=SEVERE"], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)
        self.base = None
        for line in self.process.stdout:
            found = re.search(r"started successfully on port (\d+)", line)
            if found:
                self.base = f"http://127.0.0.1:{found.group(1)}"
                break
        if not self.base:
            raise RuntimeError("chromedriver did not start")
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                     "--no-first-run", "--disable-background-networking", f"--user-data-dir={profile}"]
        wanted = {"browserName": "chrome", "goog:chromeOptions": {"binary": binary, "args": arguments},
                  "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        answer = self.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.base += f"/session/{answer['sessionId']}"

    def call(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.base + path, data=data, method=method,
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as reply:
            return json.load(reply)["value"]

    def cdp(self, name, parameters):
        return self.call("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def run(self, script, *arguments):
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def view(self, width, height, scheme):
        self.cdp("Emulation.setDeviceMetricsOverride",
                 {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
        self.cdp("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def shot(self, path, whole=False):
        parameters = {"format": "png", "captureBeyondViewport": whole}
        if whole:
            size = self.cdp("Page.getLayoutMetrics", {})["cssContentSize"]
            parameters["clip"] = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 12000), "scale": 1}
        path.write_bytes(base64.b64decode(self.cdp("Page.captureScreenshot", parameters)["data"]))

    def close(self):
        try:
            self.call("DELETE", "")
        finally:
            self.process.terminate()
            self.process.wait()


# Elements that stick out of the window, but for those inside a box that scrolls by itself.
OUTSIDE = """
const wide = document.documentElement.clientWidth, out = [];
if (document.documentElement.scrollWidth > wide) out.push('the document is ' + document.documentElement.scrollWidth + ' wide');
for (const e of document.body.querySelectorAll('*')) {
  if (e.closest('svg') && e.tagName !== 'svg') continue;
  const box = e.getBoundingClientRect();
  if (!box.width || box.right <= wide + 1) continue;
  let inside = false;
  for (let p = e.parentElement; p && !inside; p = p.parentElement)
    inside = ['auto', 'scroll', 'hidden'].includes(getComputedStyle(p).overflowX);
  if (!inside) out.push(e.tagName + '.' + (e.getAttribute('class') || '') + ' ends at ' + Math.round(box.right));
}
return out.slice(0, 5);
"""

# Text whose colour is too near to what it stands on: ratios as in WCAG 2.1, 1.4.3.
FAINT = """
const out = [];
function rgb(text) { const m = text.match(/[\\d.]+/g); return m ? m.map(Number) : [0, 0, 0, 0]; }
function light(c) {
  const [r, g, b] = c.slice(0, 3).map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
  return .2126 * r + .7152 * g + .0722 * b;
}
function ratio(a, b) { const x = light(a), y = light(b); return (Math.max(x, y) + .05) / (Math.min(x, y) + .05); }
function ground(e) {
  for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > .9) return c; }
  return rgb(getComputedStyle(document.documentElement).backgroundColor);
}
function look(e, colour, below) {
  const style = getComputedStyle(e), size = parseFloat(style.fontSize);
  const least = size >= 24 || (size >= 18.6 && style.fontWeight >= 700) ? 3 : 4.5, found = ratio(colour, below);
  if (found < least - .01) out.push(e.tagName + '.' + (e.getAttribute('class') || '') + ' "' + e.textContent.trim().slice(0, 30) + '" ' +
                                    found.toFixed(2) + ' ' + colour + ' on ' + below);
}
for (const e of document.body.querySelectorAll('*')) {
  if (e.closest('svg') || e.closest('script') || !e.offsetParent) continue;
  if ([...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) look(e, rgb(getComputedStyle(e).color), ground(e));
}
for (const svg of [...document.querySelectorAll('svg')].filter(s => s.getBoundingClientRect().width).slice(0, 40)) {
  const parts = [...svg.querySelectorAll('rect,path.head,path.band,text')], painted = [];
  for (const e of parts) {
    if (e.tagName !== 'text') { painted.push([e.getBBox(), rgb(getComputedStyle(e).fill)]); continue; }
    const box = e.getBBox(), x = box.x + box.width / 2, y = box.y + box.height / 2;
    const below = painted.filter(p => p[0].x <= x && x <= p[0].x + p[0].width && p[0].y <= y && y <= p[0].y + p[0].height).pop();
    if (below && e.textContent.trim()) look(e, rgb(getComputedStyle(e).fill), below[1]);
  }
}
return [...new Set(out)].slice(0, 12);
"""

# Text in a picture that runs into what stands beside it: out of its picture, or over another text.
CROWDED = """
const out = [];
for (const svg of [...document.querySelectorAll('svg')].filter(s => s.getBoundingClientRect().width)) {
  const frame = svg.viewBox.baseVal, seen = [];
  for (const t of svg.querySelectorAll('text')) {
    const b = t.getBBox();
    if (!b.width) continue;
    if (b.x < -1 || b.x + b.width > frame.width + 1 || b.y + b.height > frame.height + 2)
      out.push('"' + t.textContent.slice(0, 40) + '" leaves its picture');
    for (const [o, text] of seen)
      if (b.x + 1 < o.x + o.width && o.x + 1 < b.x + b.width && b.y + 4 < o.y + o.height && o.y + 4 < b.y + b.height)
        out.push('"' + t.textContent.slice(0, 30) + '" over "' + text.slice(0, 30) + '" in ' + svg.querySelector('title').textContent.slice(0, 60));
    seen.push([b, t.textContent]);
  }
}
return [...new Set(out)].slice(0, 12);
"""


def look_at_parts(browser, say):
    cells = browser.run("""
        const table = document.querySelector('#matrix .matrix'), rows = [...table.querySelectorAll('tbody tr[data-row]')];
        const wanted = table.querySelectorAll('thead .levels th').length;
        return [rows.length, wanted, rows.filter(r => r.querySelectorAll('td').length !== wanted).map(r => r.dataset.row),
                rows.filter(r => [...r.querySelectorAll('td')].some(c => !c.textContent.trim() || !c.title)).map(r => r.dataset.row),
                rows.filter(r => !document.getElementById(r.querySelector('a').hash.slice(1))).map(r => r.dataset.row)];""")
    say(cells[0] == 0 or cells[1] == 0, "the matrix has no cells")
    uneven = browser.run("""
        return [...document.querySelectorAll('.boxed .matrix')].filter(t => [...t.querySelectorAll('tbody tr')].some(
            r => r.querySelectorAll('td').length !== t.querySelectorAll('thead .levels th').length)).length;""")
    say(uneven, "a table of other engines lacks cells")
    say(cells[2], f"rows without all their cells: {cells[2]}")
    say(cells[3], f"rows with a cell that says nothing: {cells[3]}")
    say(cells[4], f"rows that lead nowhere: {cells[4]}")
    doubled = browser.run("""const n = {}; document.querySelectorAll('[id]').forEach(e => n[e.id] = (n[e.id] || 0) + 1);
                             return Object.keys(n).filter(k => n[k] > 1);""")
    say(doubled, f"ids that stand twice: {doubled[:5]}")
    dead = browser.run("""return [...document.querySelectorAll('a')].filter(a => !a.hash || !document.getElementById(
                          decodeURIComponent(a.hash.slice(1)))).map(a => a.outerHTML.slice(0, 80));""")
    say(dead, f"links that lead nowhere: {dead[:5]}")
    opened = browser.run("""
        const d = document.querySelector('details.phenomenon');
        d.querySelector('summary').click();
        return [d.open, d.querySelector('.inside').getBoundingClientRect().height > 50, d.querySelectorAll('svg').length];""")
    say(not opened[0] or not opened[1], "a phenomenon does not open on a click")
    say(opened[2] == 0, "an open phenomenon has no picture")
    jumped = browser.run("""
        const a = [...document.querySelectorAll('.matrix tbody th a')].pop();
        a.click();
        return a.hash.slice(1);""")
    say(not browser.run("return document.getElementById(arguments[0]).closest('details').open;", jumped),
        "a row's link does not open its phenomenon")
    found = browser.run("""
        const box = document.querySelector('.tools input'), all = document.querySelectorAll('details.phenomenon').length;
        if (!box) return ['there is no box to search in'];
        const id = document.querySelector('details.phenomenon').dataset.row, faults = [];
        function type(text) { box.value = text; box.dispatchEvent(new Event('input')); }
        function left() { return document.querySelectorAll('details.phenomenon:not([hidden])').length; }
        type(id); if (left() < 1 || (all > 3 && left() === all)) faults.push('searching ' + id + ' leaves ' + left() + ' of ' + all);
        type('no such phenomenon'); if (left()) faults.push('a search for nothing finds ' + left());
        type(''); if (left() !== all) faults.push('an empty search leaves ' + left());
        return faults;""")
    for fault in found:
        say(True, fault)


def look_without_scripts(browser, say, address):
    """A link to a phenomenon opens it, a click opens another, and nothing is there that would need a script."""
    browser.cdp("Emulation.setScriptExecutionDisabled", {"value": True})
    first, last = browser.run("""const all = document.querySelectorAll('.inside'); return [all[0].id, all[all.length - 1].id];""")
    browser.call("POST", "/url", {"url": "about:blank"})
    browser.call("POST", "/url", {"url": f"{address}#{last}"})
    look = "return document.getElementById(arguments[0]).closest('details').open;"
    say(not browser.run(look, last), "without scripts a link does not open its phenomenon")
    say(browser.run("return document.querySelectorAll('.tools').length;"), "without scripts there is a box that does nothing")
    browser.run("document.querySelector(`details[data-row='${arguments[0]}'] > summary`).click();", first)
    say(first != last and not browser.run(look, first), "without scripts a phenomenon does not open")
    browser.cdp("Emulation.setScriptExecutionDisabled", {"value": False})


def look_at_sizes(browser, say, widths, shots):
    for width in widths:
        for scheme in ("light", "dark"):
            browser.view(width, 900, scheme)
            browser.run("document.querySelectorAll('details').forEach(d => d.open = false); scrollTo(0, 0);")
            if shots:
                browser.shot(shots / f"{width}-{scheme}.png", whole=True)
            for fault in browser.run(OUTSIDE):
                say(True, f"{width} {scheme}: {fault}")
            browser.run("document.querySelectorAll('details').forEach(d => d.open = true);")
            for fault in browser.run(OUTSIDE):
                say(True, f"{width} {scheme}, all open: {fault}")
            for fault in browser.run(FAINT):
                say(True, f"{width} {scheme}: too faint: {fault}")
    for fault in browser.run(CROWDED):
        say(True, f"crowded: {fault}")


def look_at_logs(browser, say, address):
    for entry in browser.call("POST", "/se/log", {"type": "browser"}):
        say(True, f"console: {entry['message'][:200]}")
    for entry in browser.call("POST", "/se/log", {"type": "performance"}):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            url = message["params"]["request"]["url"]
            ours = message["params"].get("documentURL", "").startswith(address)
            say(ours and not url.startswith((address, "data:")), f"a request leaves the page: {url[:120]}")


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
    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(binary, driver, profile)
        try:
            address = arguments.page.resolve().as_uri()
            browser.call("POST", "/url", {"url": address})

            def say(wrong, text):
                if wrong:
                    faults.append(text)

            look_at_parts(browser, say)
            look_at_sizes(browser, say, arguments.width or [360, 1280], arguments.shots)
            look_without_scripts(browser, say, address)
            look_at_logs(browser, say, address)
        finally:
            browser.close()
    print("\n".join(faults) if faults else "page: as it should be")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Opens pages of `vtr report` in headless Chromium and holds them to what they promise.

  apt-get install chromium        # or CHROMIUM=/path/to/it; with none: exit code 77
  scripts/check_report.py runs/NAME/report.html [more.html ...] [--screenshots DIR] [--axe axe.min.js]

Every picture loads from inside the file and has an alternative text; nothing is asked of the
network and nothing is said on the console; headings are in order; each table sorts by each of its
headers, by mouse and by keys; a phone's width needs no scrolling aside; text has the contrast of
WCAG AA, in a light and in a dark scheme. --axe runs axe-core's own rules too (its file is in the
package axe-playwright-python, for one). Prints a line a page, or what is wrong, and exits 1.
"""
import argparse
import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NONE = 77  # what CTest takes for skipped

# Everything is looked at in the page; each returns a list of complaints.
CHECKS = r"""
const complaints = [];
const complain = (what, where) => complaints.push(what + (where ? ": " + where : ""));
const says = (element) => element.textContent.trim().slice(0, 60);
document.querySelectorAll("details").forEach((details) => { details.open = true; });

const images = [...document.images];
await Promise.allSettled(images.map((image) => image.decode()));
for (const image of images) {
  if (!image.src.startsWith("data:")) complain("a picture from outside", image.src);
  if (image.naturalWidth === 0) complain("a picture that does not load", image.alt);
  if (!image.alt.trim()) complain("a picture without a text");
}
if (!document.documentElement.lang) complain("no language");
if (!document.title) complain("no title");

let level = 0;
for (const heading of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
  const next = Number(heading.tagName[1]);
  if (next > level + 1) complain("a heading that skips a level", says(heading));
  level = next;
}
const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
if (new Set(ids).size !== ids.length) complain("an id twice");
for (const link of document.querySelectorAll('a[href^="#"]')) {
  if (!document.getElementById(link.getAttribute("href").slice(1))) complain("a dead link", link.href);
}

const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
if (wide > 0) complain(`${wide} pixels wider than the window`);

const rgba = (text) => {
  const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
  return [r, g, b, a];
};
const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3]));
const ground = (element) => {
  const layers = [];
  for (let e = element; e; e = e.parentElement) {
    const layer = rgba(getComputedStyle(e).backgroundColor);
    layers.push(layer);
    if (layer[3] === 1) break;
  }
  return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255]);
};
const luminance = (colour) => {
  const [r, g, b] = colour.map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
let lowest = Infinity;
for (const element of document.body.querySelectorAll("*")) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  const style = getComputedStyle(element);
  if (!own || !element.getClientRects().length || style.visibility === "hidden") continue;
  if (["SCRIPT", "STYLE"].includes(element.tagName)) continue;
  const under = ground(element);
  const text = over(rgba(style.color), under);
  const [dark, light] = [luminance(text), luminance(under)].sort((a, b) => a - b);
  const ratio = (light + 0.05) / (dark + 0.05);
  lowest = Math.min(lowest, ratio);
  if (ratio < 4.5) complain(`contrast ${ratio.toFixed(2)}`, says(element));
}
return { complaints, pictures: images.length, contrast: lowest };
"""

SORT = r"""
const complaints = [];
let sorted = 0;
for (const table of document.querySelectorAll("table.sortable")) {
  const rows = () => [...table.tBodies[0].rows];
  const before = rows().map((row) => row.textContent).sort().join("\n");
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    const button = header.querySelector("button");
    if (!button) { complaints.push("a header that is no button: " + header.textContent); return; }
    button.focus();
    if (document.activeElement !== button) complaints.push("out of the keyboard's reach: " + header.textContent);
    for (const order of ["ascending", "descending"]) {
      button.click();
      if (header.getAttribute("aria-sort") !== order) complaints.push("aria-sort is not " + order);
      const sign = order === "ascending" ? 1 : -1;
      const values = rows().map((row) => row.cells[column].textContent.trim())
        .filter((text) => text && text !== "-");
      const numbers = values.map(Number.parseFloat);
      if (!numbers.some(Number.isNaN) && numbers.some((v, i) => i && sign * (v - numbers[i - 1]) < 0)) {
        complaints.push(`not sorted by ${header.textContent}: ${values.slice(0, 8)}`);
      }
      ++sorted;
    }
  });
  if (rows().map((row) => row.textContent).sort().join("\n") !== before) complaints.push("sorting lost a row");
}
return { complaints, sorted };
"""


class Browser:
    """Chromium and its DevTools protocol, over a pipe: messages of JSON that end with a zero."""

    def __init__(self, program, profile):
        to_browser, self.to = os.pipe()
        self.back, from_browser = os.pipe()
        # The browser reads its file 3 and writes its file 4.
        command = f"exec 3<&{to_browser} 4>&{from_browser}; exec \"$0\" \"$@\""
        self.process = subprocess.Popen(
            ["bash", "-c", command, program, "--headless=new", "--no-sandbox", "--disable-gpu",
             "--no-first-run", "--hide-scrollbars", "--disable-background-networking",
             "--disable-dev-shm-usage", "--remote-debugging-pipe", f"--user-data-dir={profile}"],
            pass_fds=(to_browser, from_browser), stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.rest, self.count, self.session, self.events = b"", 0, None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def message(self):
        while b"\0" not in self.rest:
            more = os.read(self.back, 1 << 20)
            if not more:
                sys.exit("the browser ended")
            self.rest += more
        one, self.rest = self.rest.split(b"\0", 1)
        return json.loads(one)

    def call(self, method, **parameters):
        self.count += 1
        request = {"id": self.count, "method": method, "params": parameters}
        if self.session:
            request["sessionId"] = self.session
        data = json.dumps(request).encode() + b"\0"
        while data:
            data = data[os.write(self.to, data):]
        while True:
            answer = self.message()
            if answer.get("id") == self.count:
                if "error" in answer:
                    sys.exit(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.message())

    def run(self, script):
        result = self.call("Runtime.evaluate", expression=f"(async () => {{{script}}})()",
                           awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            sys.exit(json.dumps(result["exceptionDetails"], indent=1))
        return result["result"].get("value")

    def open(self, path, width, scheme):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900,
                  deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.events.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        self.wait_for("Page.loadEventFired")

    def screenshot(self, path):
        picture = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(picture["data"]))

    def close(self):
        self.process.terminate()
        self.process.wait()


def heard(events, page):
    """What the page asked of the network, and what was said on the console."""
    for event in events:
        method, what = event.get("method"), event.get("params", {})
        if method == "Network.requestWillBeSent":
            url = what["request"]["url"]
            if not url.startswith("data:") and url != page.resolve().as_uri():
                yield f"asks for {url}"
        elif method == "Runtime.exceptionThrown":
            yield f"throws {what['exceptionDetails']['text']}"
        elif method == "Runtime.consoleAPICalled":
            yield f"console.{what['type']}"
        elif method == "Log.entryAdded":
            yield f"{what['entry']['level']}: {what['entry']['text']}"


def look(browser, page, width, scheme, arguments):
    browser.open(page, width, scheme)
    found = browser.run(CHECKS)
    complaints = found["complaints"]
    if arguments.screenshots:
        browser.screenshot(arguments.screenshots / f"{page.stem}_{width}_{scheme}.png")
    if arguments.axe:
        browser.run(arguments.axe.read_text())
        for broken in browser.run("return (await axe.run()).violations.map((rule) => "
                                  "`${rule.id}: ${rule.nodes[0].html.slice(0, 120)}`)"):
            complaints.append(f"axe: {broken}")
    order = browser.run(SORT)
    complaints += order["complaints"] + list(heard(browser.events, page))
    print(f"{page.name} at {width} pixels, {scheme}: {found['pictures']} pictures, lowest contrast "
          f"{found['contrast']:.1f}, sorted {order['sorted']} times, {len(complaints)} complaints")
    return [f"{page.name} at {width}, {scheme}: {complaint}" for complaint in complaints]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("pages", nargs="+", type=pathlib.Path)
    parser.add_argument("--screenshots", type=pathlib.Path)
    parser.add_argument("--axe", type=pathlib.Path)
    arguments = parser.parse_args()
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if not program:
        print("skipped: no Chromium here (apt-get install chromium, or CHROMIUM=PATH)")
        sys.exit(NONE)
    if arguments.screenshots:
        arguments.screenshots.mkdir(parents=True, exist_ok=True)
    complaints = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(program, profile)
        try:
            for page in arguments.pages:
                for width, scheme in ((1280, "light"), (1280, "dark"), (390, "light"), (360, "dark")):
                    complaints += look(browser, page, width, scheme, arguments)
        finally:
            browser.close()
    if complaints:
        sys.exit("\n".join(complaints))


if __name__ == "__main__":
    main()

"""How long a big sweep's page takes: `python -m benchmarks.page [--keep DIR]`.

A folder of 300 trials (learning rate x gamma x dropout x units) and 68 folds of the three-class composite is written without
training: a trial knows a clip's label with a probability that depends on its settings. Then `merjax report` runs as a command,
and headless Chromium, where it is installed, opens the page and says when it has loaded and when its visible charts are drawn.
"""

import argparse
import itertools
import math
import queue
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.fake_runs import megc_clips, write_fake_run

GRID = {
    "temporal.learning_rate": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
    "loss.gamma": (0, 1, 2, 3, 5),
    "temporal.dropout_fc": (0.0, 0.2, 0.4, 0.6),
    "temporal.units": (32, 64, 128),
}
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# the page's own clock, told to the server: loaded, and no chart on the screen still waiting
CLOCK = """<script>addEventListener("load", () => { const loaded = performance.now();
const seen = e => e.getBoundingClientRect().top < innerHeight && e.offsetParent;
const look = () => [...document.querySelectorAll("figure.chart:not(.drawn)")].some(seen) ? setTimeout(look, 20)
: fetch(`opened?${loaded.toFixed(0)}+${performance.now().toFixed(0)}`); look(); });</script>"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path, help="a folder to leave the run and its page in")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = arguments.keep or Path(temporary)
        run = write_run(place / "run")
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "merjax", "report", str(run)], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        page = run / "report" / "report.html"
        print(
            f"report: {time.perf_counter() - began:.1f} s, {cpu:.1f} s of CPU, page {page.stat().st_size / 1e6:.1f} MB"
        )
        if CHROMIUM:
            print(opened(page, Path(temporary)))


def write_run(folder: Path) -> Path:
    """The folder of a finished sweep over `GRID`; a trial is best in the middle of each axis."""
    points = [dict(zip(GRID, values, strict=True)) for values in itertools.product(*GRID.values())]
    trials = {", ".join(f"{key.rpartition('.')[2]}={value}" for key, value in point.items()): point for point in points}
    skills = {
        name: 0.7 - 0.1 * abs(math.log10(point["temporal.learning_rate"]) + 3) - 0.02 * abs(point["loss.gamma"] - 2)
        for name, point in trials.items()
    }
    return write_fake_run(folder, clips=megc_clips(), skills=skills, overrides=trials, chunk_runs=68)


def opened(page: Path, temporary: Path) -> str:
    """When Chromium has the page open: milliseconds since it began to read it."""
    before, _, after = page.read_text().rpartition("</body>")
    content, told = (before + CLOCK + "</body>" + after).encode(), queue.Queue[str]()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            if "opened?" in self.path:
                told.put(self.path.partition("?")[2])
            elif self.path == "/":
                self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        line = [
            str(CHROMIUM),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--window-size=1280,900",
        ]
        profile, address = f"--user-data-dir={temporary / 'profile'}", f"http://127.0.0.1:{server.server_port}/"
        with subprocess.Popen(
            [*line, profile, "--remote-debugging-port=0", address], stderr=subprocess.DEVNULL
        ) as browser:
            try:
                loaded, _, drawn = told.get(timeout=60).partition("+")
            finally:
                browser.terminate()
                server.shutdown()
    return f"opened: loaded after {loaded} ms, charts on the screen drawn after {drawn} ms"


if __name__ == "__main__":
    main()

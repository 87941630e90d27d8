"""What is kept of a failure: a picture of the screen, the tree of widgets, and what the programs wrote."""

import subprocess
from pathlib import Path

from driver import accessible


def picture(path, window="root"):
    """Saves what is on the screen, or in one window of it, as a PNG file."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["import", "-window", window, str(path)], check=False, stderr=subprocess.DEVNULL)


def keep(folder, programs):
    """Saves picture, trees and logs of `programs` in `folder`."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    picture(folder / "screen.png")
    for program in programs:
        log = program.log_path.read_text(errors="replace") if program.log_path.exists() else ""
        (folder / f"{program.label}.log").write_text(log)
        tree = accessible.application(program.pid) if program.running else None
        if tree is not None:
            (folder / f"{program.label}.tree").write_text("\n".join(accessible.outline(tree)) + "\n")

"""Two people use Simple Chat: what `make run` shows where there is no display.

Real server on the project's own ServerFiles/, two real windows side by side, driven through accessibility. Prints each
step, leaves pictures in target/tour/, and ends with 0 only if every step worked.
"""

import shutil
import signal
import sys
import tempfile
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

from driver import evidence, keyboard  # noqa: E402 (the path has to be set first)
from driver.programs import PROJECT, Server, stop_all  # noqa: E402
from driver.window import ChatWindow  # noqa: E402

PICTURES = PROJECT / "target" / "tour"
FILE = "Welcome.txt"


def step(text):
    print(f"  {text}", flush=True)


def take_picture(name, pid=None):
    path = PICTURES / name
    evidence.picture(path, window=keyboard.window_id(pid) if pid else "root")
    assert path.stat().st_size > 0, f"no picture in {path}"
    step(f"a picture: {path.relative_to(PROJECT)}")


def open_window(folder, label, link, x):
    window = ChatWindow(label, folder / label, link)
    window.at_log_in()
    keyboard.place(window.pid, x, 20)
    return window


def use(folder, programs):
    server = Server(folder / "server", files=PROJECT / "ServerFiles", name="The Office")
    programs.append(server)
    step(f"the server is up, and its invite link is {server.link}")

    alice = open_window(folder, "alice", server.link, 20)
    programs.append(alice)
    bob = open_window(folder, "bob", server.link, 960)
    programs.append(bob)
    step("two windows are open")

    alice.log_in("alice")
    step("alice logs in")
    bob.ask_for("alice")
    bob.reads("taken")
    step("bob asks for the name alice: it is taken, and he is told so")
    bob.log_in("bob")
    alice.is_told("bob joined")
    step("bob logs in under his own name, and alice hears of it")

    alice.say("Good morning, everybody!")
    bob.sees("alice", "Good morning, everybody!")
    bob.say("Good morning! Is the welcome file up already?")
    alice.sees("bob", "Good morning! Is the welcome file up already?")
    step("they write to everyone")
    alice.say("It is. Have a look at the server files. 🙂", to="bob")
    bob.sees("alice", "It is. Have a look at the server files. 🙂")
    step("alice writes to bob in private")

    with alice.online_dialog() as dialog:
        dialog.shows("alice")
        dialog.shows("bob")
        keyboard.place_dialog(alice.pid, 280, 100)
        take_picture("online.png")
    step("alice looks who is online: alice and bob")
    with bob.files_dialog() as dialog:
        dialog.offers(FILE)
        keyboard.place_dialog(bob.pid, 1110, 100)
        take_picture("files.png")
    step(f"bob looks at the server files: there is {FILE}")

    bob.download(FILE)
    bob.is_told(f"{FILE} was downloaded")
    assert (bob.downloads / FILE).read_bytes() == (PROJECT / "ServerFiles" / FILE).read_bytes()
    step(f"bob downloads {FILE}, and it is the same, byte for byte")
    bob.say("Got it, thank you!", to="alice")
    alice.sees("bob", "Got it, thank you!")
    take_picture("both.png")
    take_picture("window.png", bob.pid)

    alice.log_out()
    bob.is_told("alice left")
    step("alice logs out, and bob hears of it")
    code = bob.close()
    assert code == 0, f"bob's window ended with {code}"
    step("bob closes his window")
    code = alice.close()
    assert code == 0, f"alice's window ended with {code}"
    code = server.stop()
    assert code == 0, f"the server ended with {code}"
    step("the server says goodbye")


def main():
    # Ending politely lets programs.stop_all run.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    shutil.rmtree(PICTURES, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix="tour-"))
    programs = []
    try:
        use(folder, programs)
    except Exception:
        traceback.print_exc()
        evidence.keep(PICTURES / "failure", programs)
        print(f"\nThe tour failed. What there is to see lies in {PICTURES / 'failure'}", file=sys.stderr)
        return 1
    finally:
        stop_all()
        shutil.rmtree(folder, ignore_errors=True)
    print("\nEverything worked.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

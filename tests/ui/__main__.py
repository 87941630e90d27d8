"""Runs the tests of the window: `python3 tests/ui [PART-OF-A-NAME]…`, inside scripts/headless-session.sh.

One line a test, and at the end how many passed. What is kept of a failure lies in target/ui-failures.
"""

import shutil
import signal
import sys
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

from driver.case import FAILURES  # noqa: E402 (the path has to be set first)


class Report(unittest.TestResult):
    """Prints each test as it ends, and keeps evidence of a failure before the test cleans up."""

    def __init__(self):
        super().__init__()
        self.passed = 0
        self._started_at = 0.0

    def startTest(self, test):
        super().startTest(test)
        self._started_at = time.monotonic()

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1
        self._line("ok", test)

    def addFailure(self, test, err):
        test.keep_evidence()
        super().addFailure(test, err)
        self._line("FAILED", test)
        print(self.failures[-1][1])

    def addError(self, test, err):
        if isinstance(test, unittest.TestCase):
            test.keep_evidence()
        super().addError(test, err)
        self._line("FAILED", test)
        print(self.errors[-1][1])

    @property
    def failed(self):
        """Tests that did not pass, for whatever reason."""
        return len(self.failures) + len(self.errors)

    def _line(self, verdict, test):
        name = test.id().rsplit(".", 1)[-1].removeprefix("test_")
        print(f"{verdict:6} {name} ({time.monotonic() - self._started_at:.1f} s)", flush=True)


def chosen(suite, parts):
    """The tests of a suite whose name contains one of `parts`; all of them if there are none."""
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from chosen(test, parts)
        elif not parts or any(part in test.id() for part in parts):
            yield test


def main():
    # Ending politely lets programs.stop_all run.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    shutil.rmtree(FAILURES, ignore_errors=True)
    found = unittest.defaultTestLoader.discover(str(HERE), top_level_dir=str(HERE))
    report = Report()
    unittest.TestSuite(chosen(found, sys.argv[1:])).run(report)
    print(f"\n{report.passed} passed, {report.failed} failed")
    return 0 if report.passed and not report.failed else 1


if __name__ == "__main__":
    sys.exit(main())

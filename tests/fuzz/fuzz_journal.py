"""Look for a journal that breaks loading: ``python tests/fuzz/fuzz_journal.py [libFuzzer's options]``."""

import sys
import tempfile
import zlib
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["kiwoom_nb"]):
    from laws import check_journal

HERE = Path(__file__).parent
LOADS_ONE_OF = 16  # the others are only read; chosen by their content, so that a run can be repeated

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as found, tempfile.TemporaryDirectory() as folder:

        def check(content: bytes) -> None:
            """Read it, and load one of sixteen."""
            check_journal(content, Path(folder), loads=zlib.crc32(content) % LOADS_ONE_OF == 0)

        # libFuzzer writes into the first folder it is given, never the seeds
        seeds = str(HERE / "corpus" / "journal")
        atheris.Setup([*sys.argv, f"-dict={HERE / 'words.txt'}", found, seeds], check)
        atheris.Fuzz()

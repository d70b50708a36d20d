"""Look for bytes on which a connection breaks: ``python tests/fuzz/fuzz_connection.py [libFuzzer's options]``."""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["kiwoom_nb"]):
    from laws import check_connection

HERE = Path(__file__).parent

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as found:  # libFuzzer writes into the first folder it is given, never the seeds
        seeds = str(HERE / "corpus" / "connection")
        atheris.Setup([*sys.argv, f"-dict={HERE / 'words.txt'}", found, seeds], check_connection)
        atheris.Fuzz()

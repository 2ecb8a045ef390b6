"""The tests; they mirror `stream/`."""

import os
import sys

# Without bytecode each worker rewrites every assertion, and each process that a test starts compiles the package.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

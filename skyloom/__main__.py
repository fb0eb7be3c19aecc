"""`python -m skyloom` is the command line."""

import sys

from skyloom.cli import main

if __name__ == "__main__":
    sys.exit(main())

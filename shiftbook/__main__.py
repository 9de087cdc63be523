"""`python -m shiftbook` is `shiftbook`."""

import sys

from shiftbook.cli import main

sys.exit(main())

from __future__ import annotations

import sys

from rollouts.cli.program import main

sys.exit(main())

"""`python -m trainer_client`."""

import sys

from trainer_client.cli import main

sys.exit(main())

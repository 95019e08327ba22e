"""`facenet collect`: faces -> dataset."""

import sys

from components.collect.settings import Settings
from components.common.stage import main_of

main = main_of("collect", Settings, "components.collect.stage")

if __name__ == "__main__":
    sys.exit(main())

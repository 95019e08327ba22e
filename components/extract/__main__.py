"""`facenet extract`: photos -> faces and rejects."""

import sys

from components.common.stage import main_of
from components.extract.settings import Settings

main = main_of("extract", Settings, "components.extract.stage")

if __name__ == "__main__":
    sys.exit(main())

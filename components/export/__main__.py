"""`facenet export`: checkpoint + dataset -> LiteRT files."""

import sys

from components.common.stage import main_of
from components.export.settings import Settings

main = main_of("export", Settings, "components.export.stage")

if __name__ == "__main__":
    sys.exit(main())

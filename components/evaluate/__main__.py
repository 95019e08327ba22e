"""`facenet evaluate`: embeddings -> report."""

import sys

from components.common.stage import main_of
from components.evaluate.settings import Settings

main = main_of("evaluate", Settings, "components.evaluate.stage")

if __name__ == "__main__":
    sys.exit(main())

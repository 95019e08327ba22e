"""`facenet embed`: dataset + checkpoint -> embeddings."""

import sys

from components.common.stage import main_of
from components.embed.settings import Settings

main = main_of("embed", Settings, "components.embed.stage")

if __name__ == "__main__":
    sys.exit(main())

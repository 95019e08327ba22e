"""`facenet mine-and-train`: dataset -> checkpoint."""

import sys

from components.common.stage import main_of
from components.mine_and_train.settings import Settings

main = main_of("mine-and-train", Settings, "components.mine_and_train.stage")

if __name__ == "__main__":
    sys.exit(main())

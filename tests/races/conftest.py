"""What the races need of other tests: the server of the pages, and a model with its people."""

from tests.ui.conftest import server  # noqa: F401
from tests.unit.verify.conftest import bare, enrolled, gallery, model, people, unevaluated, with_record  # noqa: F401

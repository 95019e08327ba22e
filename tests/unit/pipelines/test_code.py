import pytest

from components.specification.code import _imports, files_of, module_of, sha256_of_code
from pipelines.compile import DEFAULT_OUTPUT

REPOSITORY = DEFAULT_OUTPUT.parent


@pytest.fixture
def root(tmp_path):
    package = tmp_path / "components"
    files = {
        "__init__.py": "",
        "stage/__init__.py": "",
        "stage/__main__.py": "from components.stage import logic\nimport json\n",
        "stage/logic.py": "def go():\n    from components.common.errors import Error\n    from . import near\n",
        "stage/near.py": "TABLE = {'a': ('components.net.small', 3)}\n",
        "stage/report.html": "<p>",
        "stage/style/plain.css": "p {}",
        "stage/component.py": "import kfp\n",
        "stage/README.md": "words",
        "stage/unused.py": "",
        "common/__init__.py": "",
        "common/errors.py": "from ..net import *\n",
        "net/__init__.py": "",
        "net/small.py": "",
        "other/__init__.py": "",
    }
    for name, text in files.items():
        file = package / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    yield tmp_path
    _imports.cache_clear()


def test_the_code_of_a_stage_is_what_it_reaches_through_imports(root):
    found = [file.relative_to(root / "components").as_posix() for file in files_of("components.stage", root)]
    assert found == [
        "__init__.py",
        "common/__init__.py",
        "common/errors.py",
        "net/__init__.py",
        "net/small.py",
        "stage/__init__.py",
        "stage/__main__.py",
        "stage/logic.py",
        "stage/near.py",
        "stage/report.html",
        "stage/style/plain.css",
    ]


@pytest.mark.parametrize(
    ("file", "matters"),
    [
        ("stage/logic.py", True),
        ("common/errors.py", True),
        ("net/small.py", True),
        ("stage/report.html", True),
        ("stage/style/plain.css", True),
        ("stage/component.py", False),
        ("stage/README.md", False),
        ("stage/unused.py", False),
        ("other/__init__.py", False),
    ],
)
def test_only_reachable_code_changes_the_hash(root, file, matters):
    command = ["python", "-u", "-m", "components.stage"]
    before = sha256_of_code(command, root)
    with (root / "components" / file).open("a") as open_file:
        open_file.write("\n# changed\n")
    assert (sha256_of_code(command, root) != before) == matters


def test_a_command_without_a_module_has_no_code_here(root):
    assert module_of(["python", "-c", "pass"]) is None
    assert sha256_of_code(["python", "-c", "pass"], root) == sha256_of_code(["true"], root)


def test_the_real_stages_reach_their_logic_and_no_other_stage():
    found = {file.relative_to(REPOSITORY).as_posix() for file in files_of("components.collect", REPOSITORY)}
    assert {"components/collect/splits.py", "components/common/manifest/schemas.py"} <= found
    assert not any(name.startswith(("components/extract", "components/model")) for name in found)


def test_a_backbone_named_only_in_a_table_counts_as_code():
    found = {file.name for file in files_of("components.embed", REPOSITORY)}
    assert "small_resnet.py" in found

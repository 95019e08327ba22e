"""Every error says what went wrong, what was received and what to do next; no command shows a traceback."""

from __future__ import annotations

import ast
import io
import re
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.common.command import report_errors
from components.common.errors import FacenetError
from pipelines.cli import main
from tests.contract.error_calls import CALLS

REPOSITORY = Path(__file__).resolve().parent.parent.parent
ERRORS = ("UsageError", "FacenetError")
# A headline that says what is allowed is its own advice: "--margin must not be negative."
RULE = re.compile(r"\b(must|needs?|is (a|an|from)|has to|Say|Give|of .* is)\b|KINDS\[kind\]")
# Why a task failed: a part of the sentence of `facenet run`, which has the advice.
PARTS = {"pipelines/local/results.py", "pipelines/local/runner.py"}


@cache
def errors() -> list[tuple[str, ast.Call]]:
    """Everywhere that an error is made: the file and the call."""
    found = []
    for folder in ("components", "pipelines"):
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            name = path.relative_to(REPOSITORY).as_posix()
            if name not in PARTS and not name.startswith("pipelines/ui/"):  # its errors are pages
                calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
                found += [(name, call) for call in calls if isinstance(call.func, ast.Name) and call.func.id in ERRORS]
    return found


def test_every_error_says_what_to_do_next():
    assert len(errors()) > 200
    for name, call in errors():
        given = {keyword.arg for keyword in call.keywords}
        headline = ast.unparse(call.args[0])
        assert "advice" in given or RULE.search(headline), f"{name}, line {call.lineno}: no advice: {headline}"


def test_every_headline_is_a_sentence():
    for name, call in errors():
        headline = call.args[0]
        last = headline.values[-1] if isinstance(headline, ast.JoinedStr) else headline
        if isinstance(last, ast.Constant):
            assert last.value.endswith((".", "?")), f"{name}, line {call.lineno}: {last.value!r}"


# command -> exit code, and a word of its message; {tmp} is an empty folder, {here} the one that it is in, {file} a text
# there, {run} a run's folder with all that it made.
COMMANDS = {
    "frobnicate": (2, "no such command"),
    "run --inputs {tmp}": (2, "Did you mean --input?"),
    "run {tmp}": (2, "more than the command takes"),
    "evaluate": (2, "-o/--output"),
    "extract -i {tmp}/none -o {tmp}/x": (2, "no such photo folder"),
    "extract -i {file} -o {tmp}/x": (2, "not a file"),
    "extract -i {tmp} -o {tmp}/../x": (2, "no photos"),
    "extract -i {tmp} -o {tmp}/x": (2, "must not contain each other"),
    "extract -i {tmp} -o {tmp}/../x --margin 3": (2, "--margin"),
    "extract -i {tmp} -o {tmp}/../x --workers -1": (2, "--workers"),
    "extract -i {tmp} -o {tmp}/../x --shard 3/2": (2, "--shard"),
    "collect -o {tmp}/x": (2, "There is nothing to read"),
    "collect -i {tmp} -o {tmp}/x": (2, "no faces manifest"),
    "collect -i {tmp} -o {tmp}/x --min_examples 0": (2, "--min_examples"),
    "collect -i {tmp} -o {tmp}/x --test 0.95": (2, "shares of the same people"),
    "score -c dlib -i {tmp}/none": (2, "no such photo folder"),
    "forget -rf": (2, "put it after --: `facenet forget -- -rf`"),
    "forget -g {tmp}/none.db -- -rf": (2, "no gallery here"),
    "mine-and-train -i {tmp} -c {tmp}/x": (2, "no dataset manifest"),
    "embed -i {tmp} -c {tmp} -o {tmp}/x": (2, "no dataset manifest"),
    "evaluate -i {tmp} -o {tmp}/x": (2, "no embeddings manifest"),
    "evaluate -i {tmp} -o {tmp}/x --folds 1": (2, "--folds"),
    "evaluate -i {tmp} -o {tmp}/x --seed -1": (2, "--seed"),
    "export -i {tmp} -c {tmp} -o {tmp}/x": (2, "no checkpoint here"),
    "export -i {tmp} -c {tmp} -o {tmp}/x --calibration 0": (2, "--calibration"),
    "sample -o {file}": (2, "a file is in its place"),
    "verify {file} {file} -c {tmp}/x.tflite": (2, "no LiteRT model"),
    "enroll": (2, "nothing to enroll"),
    "identify {file} -c {tmp}/x.tflite": (2, "no LiteRT model"),
    "cluster {tmp} -c {tmp}/x.tflite": (2, "no photos in this folder"),
    "cluster {tmp} --same {file}": (2, "--same takes two photos or more"),
    "watch {tmp} -c {tmp}/x.tflite": (2, "no LiteRT model"),
    "forget Ada -g {tmp}/none.db": (2, "no gallery here"),
    "forget Ada --runs {tmp}/none": (2, "no such runs folder"),
    "forget Ada --runs {tmp}": (2, "Nobody of this name"),
    "forget Ada --runs {here}/runs": (2, "nobody knows whom it holds"),
    "forget a/../b --runs {tmp}": (2, "cannot be a person's name"),
    "run -i {tmp}/none --runs {tmp}/x": (2, "no such file or folder"),
    "run --runs {tmp}/x": (2, "needs a value for photos"),
    "run -i {tmp} --recipe none --runs {tmp}/x": (2, "no such recipe"),
    "run -i {tmp} --recipe {file}.yaml --runs {tmp}/x": (2, "no such recipe"),
    "run -i {tmp} --set nothing=1 --runs {tmp}/x": (2, "no such parameter"),
    "run -i {tmp} --set image_size=big --runs {tmp}/x": (2, "a whole number"),
    "run -i {tmp} --to none --runs {tmp}/x": (2, "no such task"),
    "run -i {tmp} --pipeline {file} --runs {tmp}/x": (2, "not a compiled pipeline"),
    "run -i {tmp} --pipeline {tmp}/none --runs {tmp}/x": (2, "cannot be read"),
    "run --source {file} -i {tmp} --runs {tmp}/x": (2, "in place of photos"),
    "import -i {tmp} -o {tmp}/../x --margin 3": (2, "--margin"),
    "import -i {tmp} -o {tmp}/../x --workers -1": (2, "--workers"),
    "rerun collect --runs {tmp}": (2, "no such run"),
    "images --variant none": (2, "variant"),
    "collect -i {run}/extract/faces -o {tmp}/x --min_examples 999": (1, "No identity has enough faces"),
    "collect -i {run}/embed/embeddings -o {tmp}/x": (2, "faces manifest is needed here"),
    "collect -i {run}/extract/faces {run}/extract/faces -o {tmp}/x": (2, "not all shards of one faces manifest"),
    "collect -i {run}/extract/faces -o {tmp}/x --drop_outliers true": (2, "of no use without --outliers"),
    "collect -i {run}/extract/faces -o {here}": (2, "holds something else"),
    "collect -i {run}/extract/faces -o {file}": (2, "a file is in its place"),
    "collect -i {run}/extract/faces -o {file}/x": (2, "cannot be made"),
    "collect -o {tmp}/x --executor_input nonsense": (2, "not Kubeflow's description"),
    "extract -i {run}/photos -o {tmp}/x --landmarks {file}": (2, "--landmarks is for aligning"),
    "extract -i {tmp} -o {here}/x --max_pixels 0": (2, "--max_pixels"),
    "extract -i {tmp} -o {here}/x --rejects {here}/x": (2, "place of another result"),
    "extract -i {tmp} -o {here}/x --shard 0/2": (2, "--shard says which part"),
    "extract -i {photo} -o {here}/x": (2, "not a file"),
    "extract -i {photos}/person-00000 -o {here}/x": (2, "nothing says whom they show"),
    "mine-and-train -i {tmp} -c {tmp}/x --backbone none": (2, "has no such value"),
    "mine-and-train -i {tmp} -c {tmp}/x --image_size 20": (2, "does not fit the backbone"),
    "mine-and-train -i {tmp} -c {tmp}/x --crop_share 0.5": (2, "--crop_share is a part of the side"),
    "mine-and-train -i {tmp} -c {tmp}/x --batch_size 4": (2, "all faces of two identities"),
    "mine-and-train -i {tmp} -c {tmp}/x --rounds 0": (2, "Without a round there is no network"),
    "mine-and-train -i {tmp} -c {tmp}/x --rounds -1": (2, "--rounds is too small"),
    "mine-and-train -i {tmp} -c {tmp}/x --margin -1": (2, "--margin must not be negative"),
    "mine-and-train -i {run}/collect/dataset -c {tmp}/x --members 2 -p {here}/weights.tar.gz": (2, "would not differ"),
    "mine-and-train -i {tmp} -c {tmp}/x --temperature 0": (2, "--temperature must be positive"),
    "mine-and-train -i {tmp} -c {tmp}/x --learning_rate 0": (2, "--learning_rate must be positive"),
    "mine-and-train -i {tmp} -c {tmp}/x --weight_decay -1": (2, "--weight_decay must not be negative"),
    "mine-and-train -i {tmp} -c {tmp}/x --momentum 1": (2, "--momentum is from 0 to less than 1"),
    "mine-and-train -i {tmp} -c {tmp}/x --jitter 2": (2, "--jitter is a number from 0"),
    "mine-and-train -i {tmp} -c {tmp}/x --jpeg_quality 0": (2, "--jpeg_quality is from 1"),
    "mine-and-train -i {tmp} -c {tmp}/x --class_margin 9": (2, "--class_margin of arcface"),
    "mine-and-train -i {tmp} -c {tmp}/x --class_scale 0": (2, "--class_scale"),
    "mine-and-train -i {tmp} -c {tmp}/x --class_subcentres 0": (2, "--class_subcentres must be 1"),
    "mine-and-train -i {tmp} -c {tmp}/x --class_sample_rate 0": (2, "--class_sample_rate is a share"),
    "mine-and-train -i {run}/collect/dataset -c {tmp}/x --loss classification --class_subcentres 1000000000": (
        2,
        "larger than the memory of this machine",
    ),
    "mine-and-train -i {run}/collect/dataset -c {tmp}/x -p {tmp}/none": (2, "no weights here"),
    "mine-and-train -i {run}/collect/dataset -c {tmp}/x -p {file}": (2, "cannot be read from this file"),
    "embed -i {run}/collect/dataset -c {tmp} -o {tmp}/x": (2, "no checkpoint here"),
    "embed -i {run}/collect/dataset -c {tmp}/none.tflite -o {tmp}/x": (2, "no LiteRT model here"),
    "embed -i {run}/collect/dataset -c {file}.tflite -o {tmp}/x": (2, "not a LiteRT model"),
    "embed -i {run}/collect/dataset -c {here}/torn -o {tmp}/x": (2, "description cannot be read"),
    "embed -i {run}/collect/dataset -c {here}/other -o {tmp}/x": (2, "format that this program does not read"),
    "embed -i {run}/collect/dataset -c {here}/bare -o {tmp}/x": (2, "description is not complete"),
    "embed -i {run}/collect/dataset -c {here}/half -o {tmp}/x": (2, "preprocessing specification is not complete"),
    "embed -i {run}/collect/dataset -c {here}/odd -o {tmp}/x": (2, "asks for something that this program does not do"),
    "mine-and-train -i {run}/collect/dataset -c {tmp}/x -p {here}/weights.tar.gz --backbone small_resnet": (
        2,
        "archive cannot be unpacked",
    ),
    "rerun collect -i none={photos} --runs {runs}": (2, "collect has no such input"),
    "evaluate -i {run}/embed/embeddings -o {tmp}/x --pairs {here}/short.txt": (2, "does not hold as many pairs"),
    "collect -i {here}/plain -o {tmp}/x": (2, "not a faces manifest"),
    "collect -i {tmp}/none -o {tmp}/x": (2, "no faces manifest here"),
    "collect -i {here}/runs/1/extract/faces -o {tmp}/x": (2, "Parquet file cannot be read"),
    "embed -i {run}/collect/dataset -c {model} -o {tmp}/x --precision bfloat16": (2, "precision that it was exported"),
    "evaluate -i {run}/embed/embeddings -o {tmp}/x --pairs {here}/pairs.txt": (2, "None of the pairs"),
    "cluster {tmp}/none -c {model}": (2, "no such photo or folder"),
    "verify {photo} {photo} -c {model} --landmarks {file}": (2, "must be cut out the way the network was trained"),
    "run -i {photos} --set extract.shard=1/2 --runs {tmp}/x": (2, "set by the loop"),
    "run -i {photos} --set shards=[] --runs {tmp}/x": (2, "a list with something in it"),
    "run -i {photos} --pipeline {here}/asks.yaml --runs {tmp}/x": (2, "a local run does not do"),
    "run -i {photos} --pipeline {here}/named.yaml --runs {tmp}/x": (2, "cannot be the name of a file"),
    "run -i {photos} --pipeline {here}/empty.yaml --runs {tmp}/x": (2, "is not a mapping"),
    "run -i {photos} --pipeline {here}/less.yaml --runs {tmp}/x": (2, "not a compiled pipeline"),
    "embed -i {run}/extract/faces -c {tmp} -o {tmp}/x": (2, "dataset manifest is needed here"),
    "evaluate -i {tmp} -o {tmp}/x --max_pairs 3": (2, "--max_pairs must be at least twice"),
    "evaluate -i {run}/embed/embeddings -o {tmp}/x --pairs {tmp}/none": (2, "pairs file cannot be read"),
    "evaluate -i {run}/embed/embeddings -o {tmp}/x --pairs {file}": (2, "pairs file is malformed"),
    "evaluate -i {run}/embed/embeddings -o {tmp}/x --slices {tmp}/none": (2, "file of groups cannot be read"),
    "evaluate -i {run}/embed/embeddings -o {tmp}/x --slices {file}": (2, "file of groups is malformed"),
    "evaluate -i {run}/embed/embeddings -o {tmp}/x --former {tmp}": (2, "former"),
    "evaluate -i {run}/embed/embeddings -o {tmp}/x --faces {run}/collect/dataset": (2, "faces manifest is needed"),
    "export -i {tmp} -c {tmp} -o {tmp}/x --variants none": (2, "no such variant"),
    "export -i {tmp} -c {tmp} -o {tmp}/x --held_out 0": (2, "--held_out"),
    "export -i {tmp} -c {tmp} -o {tmp}/x --seed -1": (2, "--seed"),
    "sample -o {here}": (2, "was not drawn here"),
    "sample -o {tmp}/x --identities 0": (2, "--identities is too small"),
    "serve --host 0.0.0.0": (2, "a token is needed"),
    "serve --token_file {tmp}/none": (2, "The token's file cannot be read"),
    "serve --token_file {file}": (2, "at least 16 characters"),
    "serve --rate -1": (2, "--rate must be 0 or more"),
    "serve --seconds 0": (2, "--seconds must be above 0"),
    "serve --port 99999": (2, "This address cannot be listened on"),
    "verify {photo}": (2, "Two or more photos are compared"),
    "verify {photo} {photo} -c {tmp}/none": (2, "no such folder"),
    "verify {photo} {photo} -c {file}": (2, "not a LiteRT model"),
    "verify {photo} {photo} -c {model} --threshold 3": (2, "--threshold is a distance"),
    "verify {photo} {photo} -c {model} --report {tmp}": (2, "no evaluation report here"),
    "verify {photo} {photo} -c {model} --far 0.123": (2, "no threshold for this false-accept rate"),
    "verify {photo} {tmp}/none -c {model} --threshold 1": (1, "gave no face"),
    "verify {file} {file} -c {model} --threshold 1": (1, "gave no face"),
    "enroll {photo} -c {model} -g {tmp}/x": (2, "Nothing says whom this photo shows"),
    "enroll {photo} -c {model} -g {tmp}/x --name unknown": (2, "cannot be a person's name"),
    "identify": (2, "Which photo?"),
    "identify {photo} -c {model} --top 0": (2, "--top"),
    "identify {photo} -c {model} --threshold 1 -g {tmp}/none": (2, "no gallery here"),
    "identify {photo} -c {model} --threshold 1 -g {file}": (2, "not a gallery"),
    "rehearse": (2, "Whose photos?"),
    "cluster": (2, "Which photos?"),
    "watch": (2, "What is to be watched?"),
    "forget Ada -g {file}": (2, "not a gallery"),
    "run -i s3://bucket/photos --runs {tmp}/x": (2, "reads what is on this machine"),
    "run -i {tmp} --set nothing --runs {tmp}/x": (2, "takes a name and a value"),
    "run -i {tmp} --from collect --no-cache --runs {tmp}/x": (2, "--from needs the cache"),
    "run -i {tmp} --recipe {here}/list.yaml --runs {tmp}/x": (2, "not a recipe"),
    "run -i {tmp} --recipe {here}/broken.yaml --runs {tmp}/x": (2, "not YAML"),
    "run -i {tmp} --pipeline {here}/list.yaml --runs {tmp}/x": (2, "not a compiled pipeline"),
    "run -i {here}/two --recipe laptop --runs {tmp}/x": (2, "too few people to train on"),
    "run -i {here}/two --set collect.min_examples=3 --runs {tmp}/x": (2, "takes two who have 3 photos or more each"),
    "run -i {photos} --runs {file}": (2, "a file is in the way"),
    "run -i {photos} --runs {file}/x": (2, "a file is in the way"),
    "run -i {photos} --runs {here}/full": (1, "cache in the runs folder cannot be used"),
    "rerun none --runs {runs}": (2, "no such task"),
    "rerun photos --shell --runs {runs}": (2, "runs no command"),
    "rerun collect --set none=1 --runs {runs}": (2, "no such parameter"),
    "rerun collect --run none --runs {runs}": (2, "Known: latest, 2"),
    "rerun collect --run latset --runs {runs}": (2, "Did you mean latest?"),
    "runs --runs {tmp}/none": (2, "no runs folder here"),
    "runs --runs {runs} --prune --keep 0": (2, "--keep must be 1 or more"),
    "runs --runs {runs} --prune --json": (2, "--prune prints no JSON"),
    "runs --runs {runs} --dry-run": (2, "belong to --prune"),
    "note latest --tag two,words --runs {runs}": (2, "A tag is one word"),
    "publish latest --runs {runs}": (2, "Say where the run is published"),
    "publish latest --runs {runs} --model-registry here": (2, "not the address of a Model Registry"),
    "publish latest --runs {runs} --mlflow https://me:you@host": (2, "Credentials do not belong into an address"),
    "publish latest --runs {runs} --model-registry http://127.0.0.1:9": (1, "did not take the network"),
    "sign {tmp}/none --key {file}": (2, "Only a folder is signed"),
    "sign {tmp} --key {file}": (2, "not the key that is needed"),
    "show none --runs {runs}": (2, "no such run"),
    "show latest/none --runs {runs}": (2, "no such task"),
    "show latest/collect --with latest --runs {runs}": (2, "Only whole runs are compared"),
    "tensorboard none --runs {runs}": (2, "no such run"),
    "images --only none": (2, "no such component"),
    "images --only collect --variant litert": (2, "has a variant litert"),
    "images --only collect --pipeline pipeline.yaml": (2, "--pipeline says which images"),
    "images --pipeline {tmp}/none": (2, "compiled pipeline cannot be read"),
    "compile --gpus -1": (2, "--gpus"),
    "compile --gpus 1": (2, "the pipeline for any cluster"),
    "compile --serving model.tflite -o {tmp}/x": (2, "the address of a folder"),
    "compile --serving s3://bucket/model": (2, "no settings of a pipeline"),
    "compile --workers 2": (2, "a file of its own, and has a volume"),
    "compile --workers 1 -o {tmp}/x": (2, "--workers is 2 or more"),
    "compile -o {tmp}/x --recipe laptop": (2, "compiled with its own settings"),
    "compile -o {tmp}/x --workspace large": (2, "not a size of a volume"),
    "compile -o {tmp}/x --workspace= --storage_class fast": (2, "no volume to choose the storage of"),
    "compile -o {tmp}/none --check": (1, "not what the pipeline compiles to now"),
    "submit -i s3://bucket/photos": (2, "Which cluster?"),
    "submit -i {photos} --dry-run": (2, "does not see this machine"),
    "submit -i s3://photos --dry-run": (2, "no whole bucket"),
    "submit -i s3://bucket//photos --dry-run": (2, "does not read this URI as it is meant"),
    "submit -i s3://ada:secret@bucket/photos --dry-run": (2, "do not belong into an address, as they are"),
    "submit -i s3://a/b --set pretrained=s3://a/w.index --dry-run": (2, "several files of a TensorFlow checkpoint"),
    "submit -i s3://a/b --set photos.uri=s3://a/c --dry-run": (2, "takes its URI from a parameter of the pipeline"),
    "submit -i s3://a/b --set mine-and-train.training=/data --dry-run": (2, "lies on the run's volume"),
    "submit -i s3://bucket/photos --host nowhere": (2, "not the address of a cluster"),
    "submit -i s3://bucket/photos --host https://ada:secret@host": (2, "do not belong into an address"),
    "submit -i s3://bucket/photos --cron @daily --wait": (2, "no end to wait for"),
    "submit -i s3://bucket/photos --cron every-day": (2, "six fields"),
    "submit -i s3://bucket/photos --create-experiment": (2, "Which experiment"),
}


DESCRIPTION = '{"format": 1, "backbone": "small_resnet", "image_size": 32, "embedding_size": 2, "preprocessing": %s}'
# What lies in {here}.
FILES = {
    **{f"two/{name}/{number}.jpg": "" for name in ("Ada", "Alan") for number in (1, 2)},
    "file": "a text",
    "file.tflite": "a text",
    "list.yaml": "- a list",
    "broken.yaml": "a: [",
    "torn/facenet.json": "{",
    "torn/model.weights.h5": "",
    "other/facenet.json": "{}",
    "other/model.weights.h5": "",
    "runs/1/extract/faces/part-00000.parquet": "a text",
    "full/cache.sqlite": "a text",
    "weights.tar.gz": "a text",
    "short.txt": "2\nAda 1 2\n",
    "bare/facenet.json": '{"format": 1}',
    "bare/model.weights.h5": "",
    "half/facenet.json": DESCRIPTION % "{}",
    "half/model.weights.h5": "",
    "odd/facenet.json": DESCRIPTION % '{"image_size": 0, "crop": {"margin": 0.25, "alignment": "none"}}',
    "odd/model.weights.h5": "",
    "pairs.txt": "1\nAda 1 2\nAda 1 Bob 1\n",
    "asks.yaml": "{pipelineInfo: {name: asks}, schemaVersion: 2.1.0, schedule: daily}",
    "named.yaml": "{schemaVersion: 2.1.0, deploymentSpec: {}, root: {dag: {tasks: {a/b: {}}}}}",
    "empty.yaml": "{schemaVersion: 2.1.0, deploymentSpec: {}, root: {dag: {tasks: []}}}",
    "less.yaml": "{schemaVersion: 2.1.0}",
}


@dataclass(frozen=True)
class Answer:
    """What a command answered, and where its errors were made."""

    code: object
    message: str
    left: list[str]
    sites: set[tuple[str, int]]


def answer(command: Callable[[], int | None], here: Path) -> Answer:
    sites: set[tuple[str, int]] = set()
    made = FacenetError.__init__

    def noted(self: FacenetError, *given: Any, **named: Any) -> None:
        place = sys._getframe(1)
        sites.add((place.f_code.co_filename, place.f_lineno))
        made(self, *given, **named)

    said = io.StringIO()
    with redirect_stderr(said), patch.object(FacenetError, "__init__", noted):
        try:
            code: object = command()
        except SystemExit as left:  # a flag that is none, or a value that it does not take
            code = left.code
    return Answer(code, said.getvalue(), sorted(path.name for path in here.rglob("x*")), sites)


@pytest.fixture(scope="module")
def answers(in_processes: Path, sample_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Any, Answer]:
    """Every command and call of the tables, each in a folder of its own."""
    found: dict[Any, Answer] = {}
    for words in COMMANDS:
        here = tmp_path_factory.mktemp("errors")
        (here / "folder").mkdir()
        for name, text in FILES.items():
            (here / name).parent.mkdir(parents=True, exist_ok=True)
            (here / name).write_text(text)
        (here / "plain").mkdir()
        pq.write_table(pa.table({"a": [1]}), here / "plain" / "part-00000.parquet")
        places = {
            "tmp": here / "folder", "here": here, "file": here / "file",
            "run": in_processes, "runs": in_processes.parent, "photos": sample_photos,
            "photo": min(sample_photos.glob("*/*")), "model": min(in_processes.glob("export/model/*.tflite")),
        }  # fmt: skip
        given = [word.format(**places) for word in words.split()]
        found[words] = answer(partial(main, given), here)
    for call in CALLS:
        here = tmp_path_factory.mktemp("errors")
        found[call] = answer(partial(report_errors, partial(call, here), prog="facenet x"), here)
    return found


@pytest.mark.parametrize("asked", [*COMMANDS, *CALLS])
def test_what_cannot_be_done_is_answered_in_words(asked, answers):
    code, message = {**COMMANDS, **CALLS}[asked]
    found = answers[asked]
    assert found.code == code and message in found.message, found.message
    assert "Traceback" not in found.message
    assert len(found.message.strip().splitlines()) >= 2, found.message
    assert not found.left


# Raised by other tests, found by noting where each test's errors were made:
# the test file -> the module and how its headline begins.
ELSEWHERE: dict[str, tuple[str, ...]] = {
    "unit/model/test_dlib.py": (
        "dlib_file.py: This is no network",
        "dlib_weights.py: This is another network",
        "pretrained.py: dlib's network",
        "published.py: `{NAME}` is",
        "published.py: dlib's network",
    ),
    "unit/verify/test_approximate.py": (
        "approximate.py: An approximate index needs faiss",
        "approximate.py: This gallery is too small",
        "lists.py: This gallery has no index",
        "lists.py: The index of the gallery is damaged",
        "lists.py: The gallery was changed since",
    ),
    "unit/verify/test_dlib_network.py": ("dlib_network.py: dlib cannot read",),
    "pipeline/test_forget.py": (
        "loading.py: A part of the {manifest.name} manifest is",
        "erase.py: A note of who was forgotten",
        "find.py: A part of a manifest is no",
        "erase.py: Somebody else is being forgotten, and",
        "forget.py: Something that names them, or shows their face",
        "lock.py: A run is going on in",
    ),
    "pipeline/test_loops.py": ("launch.py: \\n",),
    "unit/common/test_manifest.py": (
        "shards.py: This folder holds parts of several shards of a",
        "columns.py: A column of a manifest lacks values",
    ),
    "pipeline/test_tune.py": (
        "search.py: The search file cannot be",
        "search.py: This file is not a search",
        "search.py: A search has no such key",
        "search.py: `{key}` is",
        "search.py: What to try of",
        "search.py: A grid is made of",
        "search.py: How many trials",
        "search.py: `tpe` learns from",
        "search.py: {name} is given in another",
        "searching.py: No trial came to a",
        "searching.py: A training has no score",
        "tune.py: --at-once is a number",
        "tune.py: A search chooses by people",
    ),
    "cluster/test_search.py": (
        "on_a_cluster.py: A pipeline names its trials",
        "on_a_cluster.py: On a cluster a search tries",
    ),
    "ui/test_searches.py": ("searches.py: There is no such search",),
    "unit/mine_and_train/test_choose.py": (
        "choose.py: A checkpoint is of none",
        "choose.py: Trials are a JSON list",
        "choose.py: This is no checkpoint of",
        "choose.py: A training has no score",
        "trial.py: {FLAG} takes settings",
    ),
    "unit/verify/test_corrections.py": (
        "corrections.py: The corrections cannot be",
        "corrections.py: There is no such photo to",
        "corrections.py: This photo is not among those",
        "corrections.py: Which face of this photo",
        "corrections.py: What was said of these photos",
    ),
    "unit/verify/test_gallery.py": ("database.py: The gallery lies on a drive without locks",),
    "unit/pipelines/test_build.py": (
        "build.py: The pipeline names an image that cannot be",
        "images.py: The locked requirements of an image",
        "images.py: FACENET_REGISTRY does not name a place",
    ),
    "unit/evaluate/test_drawn_pairs.py": (
        "drawn_pairs.py: There are too few photos to",
        "drawn_pairs.py: The name of a photo has",
    ),
    "unit/collect/test_collect.py": (
        "collect.py: No face is of the folder",
        "collect.py: Not all of these faces have a",
        "settings.py: --min_quality is a number",
    ),
    "unit/verify/test_known_people.py": (
        "model.py: Faces that are not aligned must",
        "enroll.py: No photo is good enough",
        "enroll.py: --min_quality is a number",
    ),
    "unit/collect/test_outliers.py": (
        "outliers.py: These are not the embeddings of the faces",
        "outliers.py: Nobody's faces can be compared with the",
        "outliers.py: These embeddings do not tell the people",
    ),
    "unit/evaluate/test_differentials.py": ("slices.py: None of the people measured",),
    "unit/evaluate/test_pairs_file.py": ("pairs_file.py: The pairs file names a photo that may be",),
    "unit/evaluate/test_published.py": (
        "bin_file.py: This .bin set holds something else than",
        "bin_file.py: A .bin set needs two images",
        "published.py: A protocol in MATLAB's format",
        "published.py: Line {number} of a list of pairs",
        "published.py: A list of pairs needs pairs of",
        "templates.py: The lists of templates do not",
        "templates.py: A list of templates cannot be",
        "templates.py: Too few pairs of templates are",
    ),
    "unit/pipelines/test_benchmark.py": (
        "benchmark.py: This folder holds several lists",
        "benchmark.py: The list names a photo that",
        "benchmark.py: None of the photos that",
        "benchmark.py: An image of the set cannot",
        "score.py: A .bin set holds its own",
    ),
    "pipeline/test_rerun.py": (
        "rerun.py: The run has no result of",
        "rerun.py: What {task.name} made has been deleted",
    ),
    "pipeline/test_scarcity.py": ("database.py: The gallery cannot be used",),
    "cluster/test_keys.py": (
        "contents.py: A photo cannot be read, so",
        "contents.py: These are not the photos that",
        "keys.py: What this image contains cannot be",
    ),
    "submit/test_copy.py": ("submit.py: A copy of the photos does",),
    "submit/test_network.py": ("access.py: The file of certificates to trust is not",),
    "submit/test_submit.py": (
        "access.py: On this cluster people have namespaces",
        "follow.py: \\n",
        "upload.py: The cluster has no such experiment",
    ),
    "submit/test_versions.py": ("access.py: The cluster's Kubeflow Pipelines is",),
    "submit/test_trouble.py": (
        "access.py: kfp's own settings cannot be read",
        "order.py: {error.headline} Whether the run has started",
    ),
    "unit/common/test_command.py": ("command.py: headline", "command.py: The disk is full"),
    "unit/common/test_shortage.py": ("command.py: Memory ran out; former results are",),
    "unit/embed/test_embed.py": (
        "crops.py: These faces were not cut out",
        "network.py: A checkpoint folder needs TensorFlow, which",
        "network.py: The LiteRT file in this checkpoint",
        "network.py: The network gave no embedding",
        "network.py: This network gives all pictures the",
    ),
    "unit/evaluate/test_embeddings.py": (
        "embeddings.py: Embeddings {what}",
        "embeddings.py: These embeddings come from different checkpoints:",
    ),
    "unit/evaluate/test_evaluate.py": ("protocols.py: headline",),
    "unit/export/test_export.py": ("export.py: An exported network does not see",),
    "unit/extract/test_align.py": (
        "align.py: A landmark model of five points",
        "preprocessing.py: Only of aligned faces the middle",
    ),
    "unit/extract/test_blazeface.py": (
        "blazeface.py: The detector blazeface is not installed",
        "blazeface.py: LiteRT cannot read the model",
    ),
    "unit/extract/test_extract.py": (
        "stage.py: There is no face in any",
        "settings.py: There is no such --alignment",
    ),
    "unit/extract/test_scan.py": ("scan.py: All photos lie in folders of one folder",),
    "unit/extract/test_workers.py": ("workers.py: The processes that do the work",),
    "unit/import_faces/test_import.py": (
        "layouts.py: There is no such source",
        "layouts.py: This is no source of crops",
        "layouts.py: This folder holds several sources",
        "folder.py: There are no crops here",
        "lmdb_file.py: This LMDB cannot be read",
        "parquet.py: These Parquet files are not of",
        "parquet.py: A column of encoded images is needed",
        "parquet.py: A column is needed that says",
        "preprocessing.py: Faces in photos cannot be cut",
        "recordio.py: This file is not RecordIO",
        "settings.py: It has to be said how",
        "source.py: The source cannot be read",
        "stage.py: There is no crop in this",
        "webdataset.py: This tar cannot be read",
    ),
    "unit/litert/test_report.py": ("report.py: This report is about another network",),
    "unit/litert/test_embedder.py": (
        "embedder.py: LiteRT cannot run this model",
        "embedder.py: This file is not a LiteRT model, or",
        "file.py: This model does not say what",
        "embedder.py: The input of this model has",
        "embedder.py: The input of this model is",
        "embedder.py: The pictures of this model are not",
        "embedder.py: A face embedder has one image",
        "embedder.py: The output of this model is",
    ),
    "unit/mine_and_train/test_resume.py": (
        "settings.py: --until is one of",
        "session.py: The state of the training does",
        "stage.py: The training has done more rounds",
        "state.py: A training cannot go on with",
    ),
    "unit/mine_and_train/test_stage.py": (
        "stage.py: Triplets need at least two identities",
        "stage.py: These faces are not cut out",
    ),
    "unit/mine_and_train/test_teacher.py": (
        "stage.py: Each member of the network learns",
        "teacher.py: The teacher has not seen all",
    ),
    "unit/model/test_face_weights.py": (
        "face_weights.py: Weights cannot be read from this",
        "face_weights.py: A BatchNorm of these weights has",
        "pretrained.py: These weights are of another backbone",
        "starts.py: PyTorch's own files are pickles, which",
    ),
    "unit/model/test_network.py": ("__init__.py: Unknown backbone",),
    "unit/model/test_checkpoint.py": (
        "checkpoint.py: The weights do not fit the",
        "checkpoint.py: A variable of the weights has",
        "starts.py: The pretrained checkpoint has another number",
        "pretrained.py: The pretrained checkpoint has another backbone",
        "pretrained.py: A variable of the pretrained checkpoint",
    ),
    "unit/model/test_pretrained.py": (
        "pretrained.py: These Keras weights are not of",
        "pretrained.py: This checkpoint is not of the",
        "pretrained.py: This backbone has no TF-Slim checkpoint",
        "named.py: The checkpoint lacks variables of the",
        "named.py: A variable of the checkpoint has",
        "starts.py: Exactly one checkpoint is needed",
        "starts.py: This archive has a member that",
    ),
    "unit/pipelines/test_cli.py": ("cli.py: `facenet {name}` needs a package that",),
    "unit/pipelines/test_compile.py": ("compile.py: kfp cannot wire the pipeline",),
    "unit/pipelines/test_notes.py": ("notes.py: This is no note",),
    "unit/tracking/test_mlflow.py": (
        "to_mlflow.py: MLflow is not installed",
        "to_mlflow.py: MLflow did not take the",
    ),
    "unit/tracking/test_registry.py": (
        "finished.py: Only a run that has ended",
        "to_registry.py: The token's file cannot be",
        "to_registry.py: This does not answer as",
    ),
    "unit/verify/test_signature.py": (
        "signature.py: This network came with a package",
        "signature.py: The network is not as its owner",
        "signature.py: Signatures need model-signing",
        "model.py: The network's files changed while they",
    ),
    "unit/pipelines/test_people.py": ("people.py: There is no such folder",),
    "unit/pipelines/test_history.py": (
        "files.py: There is no such run",
        "rerun.py: The run's record cannot be read",
    ),
    "unit/pipelines/test_look_commands.py": (
        "tensorboard.py: This run has no events for",
        "tensorboard.py: TensorBoard is not installed",
    ),
    "unit/sample/test_folder.py": ("folder.py: A process that draws photos died",),
    "unit/serve/test_workers.py": ("workers.py: The network is no longer the one",),
    "unit/verify/test_picamera.py": (
        "sources.py: No camera is connected.",
        "sources.py: The Raspberry Pi's camera needs Picamera2, which is not",
    ),
    "unit/verify/test_rehearse.py": (
        "rehearse.py: The same picture shows two people",
        "rehearse.py: Nobody has two photos",
        "rehearse.py: Nobody here is a stranger",
    ),
    "unit/verify/test_strangers.py": (
        "threshold.py: Only one of --fpir",
        "threshold.py: --fpir is a share",
        "threshold.py: The evaluation of this network says nothing",
        "threshold.py: The evaluation says nothing of this rate",
    ),
    "unit/verify/test_verify.py": ("evaluation.py: No evaluation of this network was",),
    "unit/verify/test_watch.py": (
        "sources.py: A camera needs OpenCV, which is",
        "sources.py: The camera does not open",
    ),
}


def told(name: str, call: ast.Call) -> str:
    return f"{Path(name).name}: " + re.sub("^f?['\"]", "", ast.unparse(call.args[0]))


def test_every_error_is_raised_here_or_in_a_test_that_is_named(answers):
    raised = set().union(*(found.sites for found in answers.values()))
    here, named = 0, []
    for name, call in errors():
        assert call.end_lineno is not None
        lines = range(call.lineno, call.end_lineno + 1)
        if any((str(REPOSITORY / name), line) in raised for line in lines):
            here += 1
        else:
            named.append(told(name, call))
    assert here > 175
    listed = {start for starts in ELSEWHERE.values() for start in starts}
    listed.add("command.py: Something went wrong")  # below
    assert not [one for one in named if not one.startswith(tuple(listed))]
    assert not [start for start in listed if not any(one.startswith(start) for one in named)]
    assert all("def test_" in (REPOSITORY / "tests" / file).read_text() for file in ELSEWHERE)


def test_a_fault_of_the_program_is_said_and_its_traceback_shown_only_on_demand(capsys, monkeypatch):
    def fault():
        return {}["nothing"]

    assert report_errors(fault, prog="facenet x") == 1
    error = capsys.readouterr().err
    assert error.startswith("facenet x: Something went wrong") and "KeyError: 'nothing' (test_errors.py, line" in error
    assert "Traceback" not in error and "facenet --debug" in error
    monkeypatch.setenv("FACENET_DEBUG", "1")
    with pytest.raises(KeyError):
        report_errors(fault, prog="facenet x")


def test_debug_before_a_command_shows_where_its_error_arose(tmp_path, monkeypatch):
    from components.common.errors import UsageError

    monkeypatch.setenv("FACENET_DEBUG", "0")
    with pytest.raises(UsageError):
        main(["--debug", "forget", "Ada", "--gallery", str(tmp_path / "none.db")])

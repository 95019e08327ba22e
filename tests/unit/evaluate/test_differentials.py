"""Error rates of slices against loops that spell the definitions out, and what a file of groups may be."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest

from components.common.manifest import FACES, read, write
from components.evaluate import differentials as module
from components.evaluate.__main__ import main
from components.evaluate.bootstrap import REPLICATES
from components.evaluate.chance import LEAST_PEOPLE
from components.evaluate.differentials import differentials
from components.evaluate.embeddings import pair_distances, read_embeddings
from components.evaluate.slices import UNKNOWN, Column, Groups, slices_of_photos
from tests.answers import checked_metrics

AWKWARD = "<i>$\\frac$ & |co|"


def faces(people=14, each=4, noise=1.4, seed=0):
    rng = np.random.default_rng(seed)
    identity = np.repeat(np.arange(people), each)
    vectors = rng.normal(size=(people, 16))[identity] + noise * rng.normal(size=(len(identity), 16))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), identity


def pairs_of(vectors, identity, threshold):
    """All pairs of faces: the two faces, whether they are one person, and whether the pair is called wrongly."""
    for one, other in itertools.combinations(range(len(identity)), 2):
        accepted = pair_distances(vectors, np.array([one]), np.array([other]))[0] <= threshold
        same = identity[one] == identity[other]
        yield one, other, same, accepted != same


def replicates_of(pairs, people, seed):
    """The rate in each replicate: every pair is listed as often as its people are drawn."""
    first, second, wrong = map(np.array, zip(*pairs, strict=True))
    rng, rates = np.random.default_rng(seed), []
    for _ in range(REPLICATES):
        times = rng.multinomial(people, [1 / people] * people)
        listed = np.repeat(wrong, np.where(first == second, times[first], times[first] * times[second]))
        rates.append(listed.mean() if len(listed) else np.nan)
    return np.array(rates)


def check(row, kept, identity):
    """A row of the record against its pairs; returns the replicates of its FMR."""
    for kind, is_same in (("fnmr", True), ("fmr", False)):
        pairs = [(identity[one], identity[other], wrong) for one, other, same, wrong in kept if same == is_same]
        errors = sum(wrong for _, _, wrong in pairs)
        assert row[kind]["rate"] == (errors / len(pairs) if pairs else None)
        assert (row[kind]["pairs"], row[kind]["errors"]) == (len(pairs), errors)
        assert row[kind]["different"] == len({(one, other) for one, other, _ in pairs})
        assert row[kind]["people"] == len({person for one, other, _ in pairs for person in (one, other)})
        if 0 < errors < len(pairs) and row[kind]["people"] >= LEAST_PEOPLE:
            rates = replicates_of(pairs, 14, seed=3)
            np.testing.assert_allclose(row[kind]["interval"], np.nanquantile(rates, (0.025, 0.975)))
    return rates


def test_rates_ratios_and_ranges_are_those_of_a_loop_over_all_pairs():
    vectors, identity = faces()
    rng = np.random.default_rng(5)
    of_people, of_faces = rng.permutation(np.arange(14) % 2)[identity], rng.integers(UNKNOWN, 2, len(identity))
    columns = [Column("group", ["a", "b"], of_people), Column("light", ["dark", "bright"], of_faces)]
    found, pairs = differentials(vectors, identity, columns, 1.05, seed=3), list(pairs_of(vectors, identity, 1.05))
    check(found["everybody"], pairs, identity)
    for place, column in zip((of_people, of_faces), found["columns"], strict=True):
        inside, across = {0: [], 1: [], UNKNOWN: []}, []
        for pair in pairs:
            one, other = place[list(pair[:2])]
            if one == other:
                inside[one].append(pair)
            elif UNKNOWN not in (one, other):
                across.append(pair)
        check(column["across"], across, identity)
        replicates = [check(row, inside[number], identity) for number, row in enumerate(column["slices"])]
        assert column["unknown_faces"] == np.count_nonzero(place == UNKNOWN)
        ratio, (first, second) = column["ratios"]["fmr"], (row["fmr"]["rate"] for row in column["slices"])
        assert ratio["ratio"] == pytest.approx(max(first, second) / min(first, second))
        high, low = sorted([0, 1], key=(second, first).__getitem__)
        some = (replicates[high] > 0) & (replicates[low] > 0)
        deviation = np.std(np.log(replicates[high][some] / replicates[low][some]), ddof=1)
        ends = ratio["ratio"] / np.exp(1.959964 * deviation), ratio["ratio"] * np.exp(1.959964 * deviation)
        unbounded = (replicates[high] == 0).any(), (replicates[low] == 0).any()
        wanted = [0 if unbounded[0] else ends[0], None if unbounded[1] else ends[1]]
        assert ratio["interval"] == [end and pytest.approx(end) for end in wanted]
    assert found["columns"][0]["across"]["fnmr"]["rate"] is None


def test_a_small_slice_keeps_its_pairs_where_a_large_one_is_sampled(monkeypatch):
    vectors, identity = faces(people=40)
    monkeypatch.setattr(module, "MOST_PAIRS", 500)
    column = Column("group", ["few", "many"], (identity >= 7).astype(np.int64))
    few, many = differentials(vectors, identity, [column], 1.0, 0)["columns"][0]["slices"]
    assert few["fmr"]["pairs"] == 21 * 16 and many["fmr"]["pairs"] == 500


def test_what_few_people_or_no_errors_cannot_tell_is_said():
    vectors, identity = faces(people=20, noise=0.05)
    place = np.array([0] * 9 + [1] * 8 + [2] * 2 + [3])[identity]
    found = differentials(vectors, identity, [Column("group", ["a", "b", "c", "d"], place)], 0.5, 0)["columns"][0]
    a, _, c, d = found["slices"]
    # The exact binomial bound: without errors at this rate among so many people, or pairs of people, in 1 of 20 cases.
    for kind, different in (("fmr", 36), ("fnmr", 9)):
        assert a[kind]["rate"] == a[kind]["interval"][0] == 0
        assert (1 - a[kind]["interval"][1]) ** different == pytest.approx(0.05)
    assert c["fnmr"]["interval"] is None and d["fmr"]["rate"] is None
    assert found["ratios"] == {"fmr": None, "fnmr": None}
    told = "\n".join(found["cannot_tell"])
    for words in (
        'No FMR is measurable in "d"',
        'The FNMR of "c", "d" says nothing of others',
        'No error among 36 pairs of people in "a": the FMR may be anything up to 8%',
    ):
        assert words in told


def test_without_a_threshold_nothing_is_measured():
    vectors, identity = faces()
    found = differentials(vectors, identity, [], None, 0)
    assert "too few pairs" in found["not_measured"] and found["everybody"] is None
    assert "too few people" in differentials(vectors[:0], identity[:0], [], 1.0, 0)["not_measured"]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, write_inputs):
    return write_inputs(tmp_path_factory.mktemp("inputs"))


def evaluate(inputs, output, groups):
    flags = ["-i", inputs / "embeddings", "--faces", inputs / "faces", "-o", output, "--slices", groups]
    return main([*map(str, flags)])


def test_groups_are_shown_everywhere_and_who_is_unknown_is_told(inputs, tmp_path, capsys):
    lines = [
        "identity,group,age",
        *(f'p{n},"{AWKWARD if n % 2 else "b"}",{20 + n if n != 4 else ""}' for n in range(1, 23)),
    ]
    (tmp_path / "groups.csv").write_text("\n".join([*lines, "", "nobody,b,9"]), encoding="utf-8-sig")
    assert evaluate(inputs, tmp_path / "report", tmp_path / "groups.csv") == 0
    found = checked_metrics(tmp_path / "report")["differentials"]
    group, age, *conditions = found["columns"]
    assert [each["column"] for each in conditions] == ["quality of the face"]
    assert [(row["slice"], row["people"], row["faces"]) for row in group["slices"]] == [
        (AWKWARD, 11, 44),
        ("b", 11, 44),
    ]
    assert [row["slice"] for row in age["slices"]] == ["up to 27", "27 to 32", "32 to 37", "over 37"]
    assert (group["unknown_faces"], age["unknown_faces"]) == (8, 12)
    assert len(found["not_compared"]) == 4  # every photo and face is alike, and no turn is known
    said, html, markdown = (
        capsys.readouterr().out,
        *((tmp_path / "report" / f"report.{of}").read_text() for of in ("html", "md")),
    )
    for text in (said, html, markdown):
        assert "1 of 23 people in groups.csv have no face here: nobody." in text
        assert "2 of 24 people measured are not in groups.csv." in text
    assert "<i>" not in html and r"\<i\>" in markdown
    assert html.count("<svg") == 7


def test_faces_are_divided_by_what_their_manifest_knows(inputs, tmp_path):
    table = read(inputs / "faces", FACES)[3:]
    width = np.arange(len(table))
    boxes = pa.array([[5, 5, 25 + n, 25 + n] for n in width.tolist()], FACES.schema.field("box").type)
    table = table.set_column(table.schema.get_field_index("box"), FACES.schema.field("box"), boxes)
    write(tmp_path / "faces", FACES, table.take(np.random.default_rng(0).permutation(len(table))), {})
    format_, wide, score, *_ = slices_of_photos(read_embeddings(inputs / "embeddings"), (tmp_path / "faces",))
    assert format_.slices == ["JPEG"] and score.slices == ["up to 1"]
    assert wide.slices == ["up to 43", "43 to 66", "66 to 89", "over 89"]
    np.testing.assert_array_equal(
        wide.place, [UNKNOWN] * 3 + np.digitize(20 + width, [43, 66, 89], right=True).tolist()
    )


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("", "it names nobody"),
        ("identity,group\n", "it names nobody"),
        ("identity;group\np1;a\n", "the first line must be"),
        ("identity\np1\n", "the first line must be"),
        ("identity,a,a\np1,1,2\n", "the first line must be"),
        ("identity,group\np1\n", "it has 1 fields, and the first line 2"),
        ("identity,group\np1,a\np1,b\n", "the person p1 is there twice"),
        ("identity,group\n,a\n", "nobody is named"),
        ('identity,group\np1,"a\n', "cannot be read"),
        ("identity,group\nstranger,a\n", "None of the people measured is in this file"),
        (b"identity,group\np1,\xe9\n", "not UTF-8"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_none_of_groups_is_refused(inputs, tmp_path, capsys, content, what):
    path = tmp_path / "groups.csv"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert evaluate(inputs, tmp_path / "report", path) == 2
    assert what in capsys.readouterr().err
    assert not (tmp_path / "report").exists()


def test_names_are_compared_in_one_form(tmp_path):
    (tmp_path / "groups.csv").write_text("identity,group\nZoe\u0308,a\n")
    assert Groups.read(tmp_path / "groups.csv").of == {"Zo\u00eb": ["a"]}

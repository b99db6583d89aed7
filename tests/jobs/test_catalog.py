import pytest

from narcis.errors import BadInput, NotFound
from narcis.jobs import catalog

CELL = (
    'words: str = "one"  # the words\nsteps: int = 3  # how many\nscale: float = 1.5  # how much\n'
    'kind: str = "a"  # which\nout: str = ""  # the folder'
)
ENTRY = "fixed: {scale: 2.0}\nopen: {words: {length: 9}, steps: {least: 1, most: 5}, kind: {among: [a, b]}}"


@pytest.fixture
def job(job_file) -> catalog.Job:
    job_file("small", ENTRY, CELL)
    return catalog.find("small")


def test_a_job_takes_what_is_open_in_the_notebooks_order(job: catalog.Job):
    assert list(job.open) == ["words", "steps", "kind"] and job.open["steps"].help == "how many"


def test_papermill_gets_what_was_given_and_what_is_fixed(job: catalog.Job):
    assert job.values({"words": "007"}) == {"words": "007", "scale": 2.0}
    assert job.values(job.read({"words": "None", "steps": "5"})) == {"words": "None", "steps": 5, "scale": 2.0}


@pytest.mark.parametrize(
    "given, said",
    [
        ({"stpes": 3}, "small has no parameter stpes (did you mean steps?); it takes words, steps, kind"),
        ({"scale": 1.0}, "no parameter scale"),
        ({"out": "/tmp"}, "no parameter out"),
        ({"__class__": 1}, "no parameter __class__"),
        ({"steps": 0}, "steps is 0: input should be greater than or equal to 1"),
        ({"steps": 6}, "steps is 6: input should be less than or equal to 5"),
        ({"steps": "3"}, "steps is '3': input should be a valid integer"),
        ({"steps": 3.0}, "steps is 3.0: input should be a valid integer"),
        ({"steps": True}, "steps is True: input should be a valid integer"),
        ({"words": 7}, "words is 7: input should be a valid string"),
        ({"words": "x" * 10}, "at most 9 characters"),
        ({"kind": "c"}, "kind is 'c': input should be 'a' or 'b'"),
    ],
)
def test_everything_else_is_refused_at_the_door(job: catalog.Job, given: dict, said: str):
    with pytest.raises(BadInput) as refused:
        job.values(given)
    assert said in str(refused.value)


def test_the_schema_says_types_bounds_and_help(job: catalog.Job):
    steps = job.model.model_json_schema()["properties"]["steps"]
    assert {
        "type": "integer",
        "minimum": 1,
        "maximum": 5,
        "description": "how many",
        "default": 3,
    }.items() <= steps.items()


def test_an_unknown_job_is_told_with_those_that_exist(job: catalog.Job):
    with pytest.raises(NotFound, match="no job smal; there are: small"):
        catalog.find("smal")
    with pytest.raises(NotFound):
        catalog.find("../small")


@pytest.mark.parametrize(
    "entry, cell, said",
    [
        ("open: {stpes: {}}", CELL, "bad.yaml has stpes, which bad.ipynb does not take"),
        ("open: {out: {}}", CELL, "bad.yaml has out"),
        ("fixed: {steps: many}", CELL, "fixes steps to 'many'; it is a int"),
        ("fixed: {steps: 1}\nopen: {steps: {}}", CELL, "steps both fixed and open"),
        ("open: {steps: {most: 2}}", CELL, "by default steps is 3"),
        ("open: {steps: {max: 2}}", CELL, "max"),
        ("oepn: {}", CELL, "oepn is {}: extra inputs"),
        ("open: [", CELL, "no YAML"),
        ("", "steps: int = 3  # how many", "has no parameter `out: str`"),
        ("open: {words: {least: 1}}", CELL, "gives words least, and it is a str"),
        ("open: {steps: {length: 3, file: true}}", CELL, "gives steps length, file, and it is a int"),
    ],
)
def test_yaml_and_notebook_are_held_against_each_other(job_file, entry: str, cell: str, said: str):
    job_file("bad", entry, cell)
    (problem,) = catalog.problems()
    assert said in problem and "\n" not in problem
    with pytest.raises(BadInput):
        catalog.find("bad")


def test_yaml_that_is_no_text_is_a_problem_of_its_own(job_file):
    job_file("well", "", CELL)
    job_file("bad", "", CELL).write_bytes(b"\xff\xfe")
    (problem,) = catalog.problems()
    assert "bad.yaml cannot be read" in problem


def test_a_catalogue_without_jobs_is_a_problem(job_file):
    assert "there are no jobs" in catalog.problems()[0]


def test_a_job_says_on_what_terms_it_is_run(job_file):
    entry = "needs: gpu\ntiers: [g6, g5]\nretries: 1\nbatch: {size: 4, by: [steps]}\ncron: '30 3 * * *'"
    job_file("small", entry, 'orders: str = ""  # several at once\n' + CELL)
    terms = catalog.find("small").terms
    assert (terms.needs, terms.tiers, terms.retries, terms.minutes) == ("gpu", ("g6", "g5"), 1, 60)
    assert terms.batch == catalog.Batch(size=4, by=("steps",))


@pytest.mark.parametrize(
    "terms, said",
    [
        ("cron: '61 * * * *'", "no cron line"),
        ("cron: daily", "no cron line"),
        ("timezone: Europe/Atlantis", "no time zone"),
        ("minutes: 0", "greater than 0"),
        ("retries: -1", "greater than or equal to 0"),
        ("needs: tpu", "'cpu' or 'gpu'"),
        ("batch: {size: 1, by: [steps]}", "greater than or equal to 2"),
        ("batch: {size: 2, by: [stpes]}", "batches by stpes, which small.ipynb does not take"),
        ("batch: {size: 2, by: [steps]}", "small.ipynb must take `orders: str`, which nobody sets"),
        ("minuets: 3", "extra inputs"),
    ],
)
def test_terms_that_cannot_be_are_refused(job_file, terms: str, said: str):
    job_file("small", terms, CELL)
    with pytest.raises(BadInput) as refused:
        catalog.find("small")
    assert said in str(refused.value)

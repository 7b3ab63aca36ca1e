"""What a repository declares: many shapes, and no text that could upset the reading."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worktrial.languages.python import poetry
from worktrial.languages.python.declared import Declared, chosen_names, declared, is_requirement


def read(**files: str) -> Declared:
    """Read a tree given as `name__ext=text`; `__` stands for a dot and `___` for a slash."""
    named = {name.replace("___", "/").replace("__", "."): text for name, text in files.items()}
    return declared(named.get)


def test_nothing_declares_nothing() -> None:
    found = read()
    assert (found.installable, found.extras, found.requirements, found.sources) == (False, [], [], [])


def test_extras_and_groups_of_pyproject() -> None:
    """PEP 621 extras and PEP 735 groups, those for tests; a group's own references are the installer's to follow."""
    found = read(
        pyproject__toml="""
[project]
name = "x"
requires-python = ">=3.9"
[project.optional-dependencies]
tests = ["pytest"]
docs = ["sphinx"]
[dependency-groups]
test = ["pytest-mock", {include-group = "base"}]
base = ["attrs"]
docs = ["sphinx"]
"""
    )
    assert found.installable
    assert (found.project_file, found.requires_python) == ("pyproject.toml", ">=3.9")
    assert (found.extras, found.groups) == (["tests"], ["test"])


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["docs", "tests", "dev"], ["tests"]),
        (["dev", "docs"], ["dev"]),
        (["test-random", "benchmark"], []),
        (["Testing", "unit-tests", "pytest"], ["Testing", "unit-tests", "pytest"]),
        ([], []),
    ],
)
def test_names_for_tests_go_before_names_for_development(names: list[str], chosen: list[str]) -> None:
    assert chosen_names(names) == chosen


def test_setup_cfg() -> None:
    found = read(
        setup__cfg="""
[metadata]
name = x
[options]
python_requires = >=3.8
tests_require =
    mock
[options.extras_require]
testing = pytest
docs = sphinx
"""
    )
    assert (found.installable, found.project_file, found.requires_python) == (True, "setup.cfg", ">=3.8")
    assert (found.extras, found.requirements) == (["testing"], ["mock"])


def test_setup_py_is_read_and_not_run() -> None:
    found = read(
        setup__py="""
raise SystemExit
setup(python_requires=">=3.7", extras_require={"test": ["a"], "docs": []}, tests_require=["mock>=1", SOMETHING])
"""
    )
    assert (found.project_file, found.requires_python) == ("setup.py", ">=3.7")
    assert (found.extras, found.requirements) == (["test"], ["mock>=1"])


def test_tox_ini() -> None:
    found = read(
        tox__ini="""
[testenv]
extras = test, {env:MORE}
deps =
    pytest>=7
    py27: mock
    -r{toxinidir}/more/reqs.txt
    -r missing.txt
    {[other]deps}
    ./local
""",
        more___reqs__txt="attrs",
    )
    assert (found.requirements, found.files, found.extras) == (["pytest>=7"], ["more/reqs.txt"], ["test"])


def test_tox_in_toml_and_groups_that_are_not_there() -> None:
    """A group that no table defines would make the installer refuse everything else."""
    found = read(
        pyproject__toml="""
[dependency-groups]
Test_Things = ["x"]
[tool.tox.env_run_base]
deps = ["coverage", {replace = "ref"}]
extras = ["cli"]
dependency_groups = ["test-things", "missing"]
"""
    )
    assert (found.requirements, found.extras) == (["coverage"], ["cli"])
    assert "missing" not in found.groups
    assert "test-things" in found.groups


def test_noxfile() -> None:
    found = read(
        noxfile__py="""
@nox.session
def tests(session):
    session.install("-e", ".[test,extra]", "pytest", "-r", "dev.txt", "-c", "constraints.txt", "--group", "dev")
@nox.session
def docs(session):
    session.install("sphinx")
""",
        dev__txt="x",
    )
    assert (found.requirements, found.files) == (["pytest"], ["dev.txt"])


def test_poetry() -> None:
    found = read(
        pyproject__toml="""
[tool.poetry]
name = "x"
[tool.poetry.dependencies]
python = "^3.9"
[tool.poetry.dev-dependencies]
black = "*"
[tool.poetry.group.test.dependencies]
pytest = "^8.1"
httpx = {version = "~0.27", extras = ["http2"], markers = "python_version > '3.8'"}
local = {path = "../x"}
[tool.poetry.extras]
test = ["a"]
docs = ["b"]
"""
    )
    assert found.requires_python == ">=3.9,<4"
    assert found.requirements == ["pytest>=8.1,<9", "httpx[http2]>=0.27,<0.28 ; python_version > '3.8'"]
    assert found.extras == ["test"]


@pytest.mark.parametrize(
    ("version", "specifier"),
    [
        ("^1.2.3", ">=1.2.3,<2"),
        ("^0.2.3", ">=0.2.3,<0.3"),
        ("^0.0.3", ">=0.0.3,<0.0.4"),
        ("^0", ">=0,<1"),
        ("~1.2.3", ">=1.2.3,<1.3"),
        ("~1", ">=1,<2"),
        ("~=1.2", "~=1.2"),
        ("1.2.*", "==1.2.*"),
        (">=1,<2", ">=1,<2"),
        ("*", ""),
        ("^1 || ^2", ""),
    ],
)
def test_poetry_s_constraints(version: str, specifier: str) -> None:
    assert poetry.specifier(version) == specifier


def test_pdm_hatch_and_uv() -> None:
    found = read(
        pyproject__toml="""
[tool.pdm.dev-dependencies]
test = ["a", "-e file:///x"]
lint = ["ruff"]
[tool.hatch.envs.default]
dependencies = ["b"]
features = ["f"]
[tool.hatch.envs.test]
extra-dependencies = ["c"]
[tool.hatch.envs.docs]
dependencies = ["mkdocs"]
[tool.uv]
dev-dependencies = ["d>1"]
"""
    )
    assert sorted(found.requirements) == ["a", "b", "c", "d>1"]
    assert found.extras == ["f"]


def test_requirements_files() -> None:
    assert read(requirements__txt="x", **{"requirements-dev__txt": "y"}).files == [
        "requirements-dev.txt",
        "requirements.txt",
    ]
    assert read(requirements__txt="x", **{"test-requirements__txt": "y", "requirements-dev__txt": "z"}).files == [
        "test-requirements.txt",
        "requirements.txt",
    ]
    assert read(requirements__txt="x", setup__py="setup()").files == []


def test_locks_hold_versions_of_packages_from_an_index() -> None:
    uv_lock = """
[[package]]
name = "me"
version = "1"
source = { editable = "." }
[[package]]
name = "a"
version = "1.0"
source = { registry = "https://index" }
[[package]]
name = "b"
version = "1.0"
[[package]]
name = "b"
version = "2.0"
"""
    assert read(uv__lock=uv_lock).constraints == ["a==1.0"]
    poetry_lock = """
[[package]]
name = "a"
version = "1.0"
[[package]]
name = "from-git"
version = "3.0"
[package.source]
type = "git"
url = "https://host/x.git"
"""
    assert read(poetry__lock=poetry_lock).constraints == ["a==1.0"]


@pytest.mark.parametrize(
    ("line", "plain"),
    [("attrs", True), ("a[b]>=1 ; x", True), ("a @ https://x", True), ("-e .", False), ("./x", False),
     ("{x}", False), ("# a", False), ("", False), ("py27: mock", False)],
)  # fmt: skip
def test_plain_requirements(line: str, *, plain: bool) -> None:
    assert is_requirement(line) is plain


NAMES = (
    "pyproject.toml",
    "setup.py",
    "setup.cfg",
    "tox.ini",
    "noxfile.py",
    "requirements.txt",
    "uv.lock",
    "poetry.lock",
)
ODD = st.one_of(st.integers(), st.booleans(), st.just("x"), st.just([]), st.just([1, {}, "x"]), st.just({}), st.none())


@settings(max_examples=150)
@given(st.dictionaries(st.sampled_from(NAMES), st.text()))
def test_no_text_upsets_the_reading(files: dict[str, str]) -> None:
    declared(files.get).key(files.get)


def toml(value: object) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case _:
            return f'"{value}"'


@settings(max_examples=150)
@given(ODD, ODD, ODD)
def test_tables_that_are_none_upset_nothing(one: object, two: object, three: object) -> None:
    a, b, c = toml(one), toml(two), toml(three)
    lines = (
        [f"project = {a}", f"dependency-groups = {b}", f"tool = {c}"],
        ["[project]", f"name = {a}", f"requires-python = {b}", f"optional-dependencies = {c}"],
        ["[tool]", f"poetry = {a}", f"pdm = {b}", f"hatch = {c}"],
        ["[tool]", f"tox = {a}", f"uv = {b}"],
        ["[tool.poetry]", f"dependencies = {a}", f"group = {b}", f"dev-dependencies = {c}"],
        ["[tool.poetry]", f"extras = {a}", "[tool.poetry.group]", f"test = {b}", f"dev.dependencies = {c}"],
        ["[tool.poetry.group.test.dependencies]", f"x = {a}", f"y.version = {b}", f"y.extras = {c}"],
        ["[tool.pdm.dev-dependencies]", f"test = {a}", "[tool.hatch.envs]", f"test = {b}", f"default.features = {c}"],
        ["[tool.tox]", f"env_run_base = {a}", f"env = {b}", f"legacy_tox_ini = {c}"],
        ["[tool.tox.env_run_base]", f"deps = {a}", f"extras = {b}", f"dependency_groups = {c}"],
        [f"package = {a}"],
        ["[[package]]", f"name = {a}", f"version = {b}", f"source = {c}"],
    )
    for shape in lines:
        text = "\n".join(shape)
        read(pyproject__toml=text, uv__lock=text)


@pytest.mark.parametrize("text", ["(" * 5000, "[" * 5000, "-" * 50000 + "1", "x = " + "[" * 5000, "\0"])
def test_deep_nesting_upsets_nothing(text: str) -> None:
    read(pyproject__toml=text, setup__py=text, noxfile__py=text, setup__cfg=text, tox__ini=text, uv__lock=text)


def test_the_key_changes_with_every_file_that_resolving_reads() -> None:
    """Requirement files include others, and settings name files too: an old resolution must not serve new ones."""
    files = {
        "requirements-dev.txt": "-r base.txt\n-c limits/c.txt\n",
        "base.txt": "attrs\n",
        "limits/c.txt": "-r deeper.in\n",
        "limits/deeper.in": "attrs<2\n",
        "pyproject.toml": '[project]\nname = "x"\ndynamic = ["dependencies"]\n'
        '[tool.setuptools.dynamic]\ndependencies = {file = ["reqs/main.txt"]}\n',
        "reqs/main.txt": "idna\n",
        "requirements-test.txt": "-r requirements-dev.txt",
    }
    keys = {declared(files.get).key(files.get)}
    for name in files:
        changed = {**files, name: files[name] + "\n# changed\n"}
        keys.add(declared(changed.get).key(changed.get))
    assert len(keys) == len(files) + 1
    other = {**files, "unrelated.txt": "x"}
    assert declared(other.get).key(other.get) in keys

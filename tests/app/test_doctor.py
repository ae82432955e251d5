"""The doctor looks at what is installed, and with --deep at whether it starts."""

from pocketbert.app.cli.doctor import IMPORTED, INSTALLED, _Ability, _imported, _installed


def checked(statement="", **needs):
    """Both findings of an ability."""
    ability = _Ability("ask", needs or {"pydantic": "pydantic"}, "pip install it", statement)
    found = _installed(ability)
    return found, _imported(ability, found)


def test_what_is_installed_and_starts_is_present():
    shallow, deep = checked()
    assert shallow.present and shallow.checked == INSTALLED
    assert deep.present and deep.checked == IMPORTED
    assert shallow.detail == deep.detail and shallow.detail.startswith("pydantic 2.")


def test_what_is_installed_and_does_not_start_is_found_by_the_deep_check_alone():
    shallow, deep = checked("raise RuntimeError('a symbol is missing')")
    assert shallow.present
    assert not deep.present
    assert deep.detail == "RuntimeError: a symbol is missing"
    assert deep.remedy == "pip install it"


def test_toolchain_that_kills_its_process_does_not_kill_the_doctor():
    _, deep = checked("import os; os.kill(os.getpid(), 9)")
    assert not deep.present and deep.detail == "exit status -9"


def test_what_is_missing_is_not_tried():
    shallow, deep = checked("raise SystemExit('tried')", no_such_module="no-such-package")
    assert shallow == deep
    assert shallow.detail == "no-such-package missing"

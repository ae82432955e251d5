"""Settings as text, each of them: what is declared is what files, commands and documents have."""

import re
import shlex
from dataclasses import asdict
from functools import reduce
from pathlib import Path

import pytest

from pocketbert.base.config import ACTIVATIONS, PRESETS, SETTINGS, with_preset
from pocketbert.base.config_file import load_config
from pocketbert.base.config_text import document, read_assignments, to_command
from pocketbert.base.errors import PipelineError

ROOT = Path(__file__).parents[2]
OTHERS = {
    "preset": "micro",
    "targets": ("tflite",),
    "recipe": "float",
    "keep_float": ("classifier", "layers.0.attention"),
    "student.embedding": 32,
    "processes": 3,
    "gates.min_retention": 0.9,
    "student.vocabulary": None,
    "distill.augment": 5,
}


def another(one, config):
    """Some other valid value of a setting."""
    value = one.of(config)
    if one.name in OTHERS:
        return OTHERS[one.name]
    if one.name == "student.teacher_layers":
        return tuple(range(0, 3 * config.student.layers, 3))
    if one.name == "student.hidden_act":
        return next(name for name in ACTIVATIONS if name != value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return one.declared.high if value != one.declared.high else one.declared.low
    return "none" if one.name.endswith("label") else "it's here"


def changed(config, one):
    """`config` with another value of one setting."""
    nested = one.nested(another(one, config))
    return load_config(None, {**merged(asdict(config), nested)})


def merged(base, over):
    return {
        key: merged(value, over[key])
        if isinstance(value, dict) and key in over
        else over.get(key, value)
        for key, value in base.items()
    }


def read_back(command):
    """The configuration that the command line makes of a command."""
    from typer.testing import CliRunner

    from pocketbert.app.cli import options
    from pocketbert.app.cli.main import app

    built = []
    original = options.load_config

    def keep(file, overrides, base=None):
        built.append(original(file, overrides, base))
        raise PipelineError("enough")

    program, *arguments = shlex.split(command)
    assert program == "pocketbert"
    options.load_config = keep
    try:
        CliRunner().invoke(app, arguments)
    finally:
        options.load_config = original
    return built[0]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("one", SETTINGS, ids=lambda one: one.name)
def test_command_brings_back_every_setting_that_decides_what_is_made(one, preset):
    default = with_preset(preset)
    config = changed(default, one)
    assert read_back(to_command(config)) == (config if one.declared.decides else default)


def test_how_many_processes_compute_decides_nothing():
    kept = {one.name for one in SETTINGS if not one.declared.decides}
    assert kept == {"processes", "checkpoint_steps"}


def test_command_of_a_preset_names_nothing_else():
    assert to_command(with_preset("small")) == "pocketbert run --preset small"


def test_files_stand_in_a_command_by_their_names(tmp_path):
    (tmp_path / "rows.csv").touch()
    config = load_config(None, {"data": {"source": str(tmp_path / "rows.csv")}})
    assert to_command(config) == "pocketbert run --preset nano --data rows.csv"


def test_command_that_leaves_a_setting_out_is_noticed(monkeypatch):
    from pocketbert.base import config_text

    config = load_config(None, {"distill": {"temperature": 3.0}})
    left_out = tuple(one for one in SETTINGS if one.name != "distill.temperature")
    monkeypatch.setattr(config_text, "SETTINGS", left_out)
    assert read_back(to_command(config)) != config


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("distill.temperature=2", 2),
        ("distill.temperature = 2.5", 2.5),
        ("teacher.fine_tune=true", True),
        ("student.teacher_layers=[0, 5]", [0, 5]),
        ("student.vocabulary=none", None),
        ("data.source=my rows.csv", "my rows.csv"),
        ('data.out_of_scope_label="none"', "none"),
    ],
)
def test_assignments_are_read_as_toml(assignment, value):
    path = assignment.partition("=")[0].strip().split(".")
    assert reduce(dict.__getitem__, path, read_assignments([assignment])) == value


@pytest.mark.parametrize("assignment", ["distill.temp=2", "distill.temperature", "=2", ""])
def test_what_is_no_assignment_is_refused(assignment):
    with pytest.raises(PipelineError, match=r"Write SECTION\.NAME=VALUE"):
        read_assignments([assignment])


def test_documented_file_is_the_declaration():
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert block == document(), "paste pocketbert.base.config_text.document() into the page"


def test_documented_file_sets_the_defaults(tmp_path):
    config, file = with_preset("nano"), tmp_path / "run.toml"
    file.write_text(document(), encoding="utf-8")
    read = load_config(file, {})
    assert read == config


@pytest.mark.parametrize("one", SETTINGS, ids=lambda one: one.name)
def test_every_number_has_limits(one):
    value = one.of(with_preset("nano"))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        assert one.declared.low <= value <= one.declared.high

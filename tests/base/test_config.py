import dataclasses

import pytest

from pocketbert.base.config import PRESETS, RunConfig
from pocketbert.base.config_file import load_config
from pocketbert.base.errors import PipelineError


def test_preset_chooses_shape_and_training():
    small = load_config(None, {"preset": "small"})
    assert (small.student.layers, small.student.hidden) == (3, 256)
    assert small.distill == PRESETS["small"][1]


def test_flags_override_the_file_and_the_file_overrides_the_preset(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text('preset = "micro"\nseed = 3\n[distill]\nepochs = 9\n')
    config = load_config(file, {"seed": 4})
    assert (config.preset, config.seed, config.distill.epochs) == ("micro", 4, 9)
    assert config.student.hidden == 256


def test_configuration_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RunConfig().seed = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[distill]\nepoch = 3", "unknown setting 'distill.epoch'"),
        ("[distill]\nepochs = 'x'", "distill.epochs: Input should be a valid integer"),
        ("[distill]\nepochs = 0", "epochs is 0; choose a value from 1"),
        ("[student]\nhidden = 4", "hidden is 4; choose a value from 8"),
        ("[student]\nhidden_act = 'silu'", "hidden_act is 'silu'; choose one of gelu, relu"),
        ("preset = 'huge'", "preset is 'huge'; choose one of pico, nano, micro, small"),
        ("targets = []", "targets are none"),
        ("targets = ['onnx']", "targets are onnx; choose from executorch"),
        ("seed = -1", "seed is -1"),
        ("seed = ", "not a readable TOML file"),
    ],
)
def test_wrong_setting_is_named_with_its_limit(tmp_path, text, message):
    file = tmp_path / "run.toml"
    file.write_text(text)
    with pytest.raises(PipelineError, match=message):
        load_config(file, {})


def test_targets_that_are_named_are_required_and_the_default_ones_are_not():
    assert load_config(None, {}).required == ()
    assert load_config(None, {"targets": ("coreml", "tflite")}).required == ("coreml", "tflite")
    missing = {"targets": ("coreml",), "allow_missing": True}
    assert load_config(None, missing).required == ()

"""What changed between two bundles, and the gate on what fell."""

import json
import shutil
from dataclasses import replace

import pytest
from command import pocketbert

from pocketbert.base.errors import BundleError
from pocketbert.bundle.compare import compare_bundles, fallen
from pocketbert.bundle.open import open_bundle


@pytest.fixture(scope="module")
def bundle(toy_run):
    return open_bundle(toy_run / "bundle")


def changed(bundle, name="tflite", **metrics):
    sealed = bundle.artifacts[name]
    worse = replace(sealed, metrics={**sealed.metrics, **metrics})
    return replace(bundle, artifacts={**bundle.artifacts, name: worse})


def test_bundle_does_not_differ_from_itself(bundle):
    found = compare_bundles(bundle, bundle)
    assert (found.labels_added, found.labels_removed, found.answers) == ((), (), ())
    assert found.golden_texts == len({case.text for case in bundle.golden})
    assert fallen(found, 0.0) == ()


def test_labels_are_named(bundle):
    new = replace(bundle, labels=(*bundle.labels[1:], "a new one"))
    found = compare_bundles(bundle, new)
    assert found.labels_added == ("a new one",) and found.labels_removed == bundle.labels[:1]


def test_changed_golden_answer_is_found(bundle):
    place = next(i for i, case in enumerate(bundle.golden) if len(case.input_ids) > 2)
    case = bundle.golden[place]
    count = len(bundle.labels)
    high = bundle.artifacts["tflite"].calibration.threshold + 1
    before, after = bundle.labels[0], bundle.labels[1]
    logits = [
        {**case.logits, "tflite": tuple(high * (i == k) for i in range(count))} for k in (0, 1)
    ]
    old, new = (
        replace(
            bundle,
            golden=(*bundle.golden[:place], replace(case, logits=row), *bundle.golden[place + 1 :]),
        )
        for row in logits
    )
    (answer,) = compare_bundles(old, new).answers
    assert (answer.artifact, answer.text) == ("tflite", case.text)
    assert (answer.before, answer.after) == (before, after)


@pytest.mark.parametrize("what", ["accuracy", "agreement"])
def test_what_fell_by_more_than_the_limit_is_named(bundle, what):
    was = bundle.artifacts["tflite"].metrics[what]
    worse = changed(bundle, **{what: was - 0.03})  # planted
    (failure,) = fallen(compare_bundles(bundle, worse), 0.01)
    assert failure.startswith(f"tflite: {what} fell from {was:.1%}")
    assert fallen(compare_bundles(bundle, worse), 0.05) == ()
    assert fallen(compare_bundles(worse, bundle), 0.0) == ()  # it rose


def measured_on(bundle, **provenance):
    told = bundle.manifest.provenance.model_copy(update=provenance)
    manifest = bundle.manifest.model_copy(update={"provenance": told})
    return replace(bundle, manifest=manifest)


def test_accuracies_of_different_test_parts_are_not_compared(bundle):
    other = measured_on(changed(bundle, accuracy=0.1), test_sha256="0" * 64)
    found = compare_bundles(bundle, other)
    assert found.same_test is False
    (failure,) = fallen(found, 0.01)
    assert "other test texts" in failure and "pocketbert eval" in failure


def test_more_training_text_leaves_the_test_part_the_same(bundle):
    other = measured_on(bundle, data_sha256="0" * 64)
    assert fallen(compare_bundles(bundle, other), 0.0) == ()


@pytest.mark.parametrize(("data", "same"), [(None, True), ("0" * 64, None)])
def test_older_bundles_are_compared_where_all_their_data_are_the_same(bundle, data, same):
    kept = data or bundle.manifest.provenance.data_sha256
    older = measured_on(bundle, test_sha256=None, data_sha256=kept)
    found = compare_bundles(older, bundle)
    assert found.same_test is same
    assert (fallen(found, 0.0) == ()) is (same is True)


@pytest.mark.parametrize("value", ["x", True, 1.5, [0.9]])
def test_figure_that_is_no_share_is_refused(bundle, value):
    with pytest.raises(BundleError, match=r"metrics.accuracy is .* no share from 0 to 1"):
        compare_bundles(bundle, changed(bundle, accuracy=value))


def test_artefact_that_is_gone_has_fallen(bundle):
    artifacts = {k: v for k, v in bundle.artifacts.items() if k != "tflite"}
    (failure,) = fallen(compare_bundles(bundle, replace(bundle, artifacts=artifacts)), 0.5)
    assert failure.startswith("tflite: is gone")


def test_command_line_fails_on_a_fall(bundle, tmp_path):
    worse = tmp_path / "worse"
    shutil.copytree(bundle.path, worse)
    manifest = json.loads((worse / "manifest.json").read_text(encoding="utf-8"))
    manifest["artifacts"]["tflite"]["metrics"]["accuracy"] -= 0.05
    (worse / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    done = pocketbert("diff", str(bundle.path), str(worse))
    assert done.returncode == 1, done.stdout
    assert "tflite: accuracy fell" in done.stderr and "0 answers changed" in done.stdout
    assert pocketbert("diff", str(worse), str(bundle.path)).returncode == 0
    done = pocketbert("diff", str(bundle.path), str(worse), "--max-fall", "10%", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["golden_texts"] > 0

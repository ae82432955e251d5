"""A small, seeded part of scripts/fuzz: damage is refused, hostile texts are answered."""

import fuzz
import pytest


@pytest.fixture(scope="module")
def bundle(toy_run):
    return toy_run / "bundle"


def test_damaged_copies_are_refused(bundle):
    found = fuzz.mutate_files(bundle, 200)
    assert found.bad == () and found.counts[fuzz.REFUSED] == 200


def test_changed_manifests_kill_nothing(bundle):
    found = fuzz.mutate_manifests(bundle, 200)
    assert found.bad == () and found.counts[fuzz.REFUSED] > 100


def test_changed_contents_kill_nothing(bundle):
    found = fuzz.reseal_contents(bundle, 100)
    assert found.bad == () and found.counts[fuzz.REFUSED] > 30


def test_hostile_texts_are_answered(bundle):
    found = fuzz.hostile_texts(bundle, 200)
    assert found.bad == () and found.counts[fuzz.ANSWERED] >= 200


def test_change_that_matters_would_be_caught(bundle, monkeypatch):
    monkeypatch.setattr(fuzz, "open_bundle", lambda *_: None)  # planted: takes everything
    told = []
    fuzz._edit_manifest(bundle, range(50), 0, lambda *one: told.append(one))
    assert (fuzz.ACCEPTED, ".files") in {(how, what[:6]) for how, what in told}


def kill(bundle, batch, seed, report):  # planted: what a runtime does with an id out of range
    import os
    import signal

    report(fuzz.REFUSED, "the first")
    os.kill(os.getpid(), signal.SIGABRT)


def accept(bundle, batch, seed, report):
    report(fuzz.ACCEPTED, "a wrong digest")


def test_planted_death_and_acceptance_are_caught(bundle):
    died = fuzz._run(kill, bundle, 10, 0, wanted=(fuzz.REFUSED,))
    assert died.counts[fuzz.DIED] == 1 and died.bad[0].startswith("died with -6")
    accepted = fuzz._run(accept, bundle, 10, 0, wanted=(fuzz.REFUSED,))
    assert accepted.bad == ("accepted: a wrong digest",)

import re
from dataclasses import replace

import numpy as np
import pytest
from test_run import result_of

from pipeline.report import Confusion, write_report


@pytest.fixture(scope="module")
def page(toy_run):
    return (toy_run / "report.html").read_text(encoding="utf-8")


def test_page_is_self_contained(page):
    for attribute in re.findall(r'(?:src|href)="([^"]*)"', page):
        assert attribute.startswith("#"), attribute
    assert "<script" not in page
    assert "url(http" not in page and "@import" not in page


def test_page_shows_every_artefact_and_who_computed_it(page):
    assert "LiteRT" in page
    assert "MIL evaluator, not Apple&#39;s runtime" in page


def test_host_figures_are_never_shown_as_a_phones(page):
    assert "Latency on this host, not on a phone" in page
    assert "not run: Core ML runs on Apple&#39;s systems only" in page


def test_page_says_what_the_student_learned_from_and_what_pruning_changed(page, toy_run):
    result = result_of(toy_run)
    learned = result.learned_from
    assert f"The student learned from {learned['labelled']} labelled" in page
    kept, whole = result.segmentation.pieces[1], result.segmentation.pieces[0]
    assert f"{kept} of the teacher's {whole} word pieces were kept" in page


def test_page_shows_calibration_before_and_after_temperature(page, toy_run):
    student = result_of(toy_run).student.evaluation
    for error in (student.raw_calibration_error, student.calibration_error):
        assert f"{error:.1%}" in page


def test_page_has_its_plots_without_the_day(page):
    assert page.count("<svg") == 2
    assert "dc:date" not in page


def test_texts_of_users_are_escaped(toy_run, tmp_path):

    result = result_of(toy_run)
    hostile = Confusion("<b>", "c", ("<script>alert(1)</script>",))
    spoiled = replace(result, out=tmp_path, confusions=(hostile,))
    logits = np.eye(3, dtype=np.float32)
    page = write_report(spoiled, logits, logits, 0.0).read_text(encoding="utf-8")
    assert "<script>" not in page and "&lt;script&gt;" in page

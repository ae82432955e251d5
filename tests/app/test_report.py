"""The page: what it shows, and that a browser opens it without an error."""

import json
import os
import re
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from command import pocketbert
from matplotlib import image

from pocketbert.app.report import charts
from pocketbert.app.report.page import write_report
from pocketbert.app.result import Confusion, read_build, read_result
from pocketbert.base.errors import DataError
from pocketbert.base.events import TrainingEnded
from pocketbert.measure.record import Instructions, LatencyRecord, LengthCost, write_record


@pytest.fixture(scope="module")
def page(toy_run):
    return (toy_run / "report.html").read_text(encoding="utf-8")


@pytest.fixture
def build(toy_run, tmp_path):
    """A copy of a run that a test may change."""
    shutil.copytree(toy_run, tmp_path / "build")
    return tmp_path / "build"


def counted(build, **changes):
    """A record of instructions of the build's tflite artefact."""
    timed = read_result(build).latency["tflite"]
    cost = Instructions(total=2_000_000, simd=900_000, sdot=400_000, floor=450_000)
    values = {"kind": "arm64-emulated", "device": "cortex-a76", "wall": None, "cpu": None}
    values["by_length"] = (LengthCost(tokens=32, instructions=cost),)
    return LatencyRecord(**{**vars(timed), **values, **changes})


def test_page_is_self_contained(page):
    for attribute in re.findall(r'(?:src|href)="([^"]*)"', page):
        assert attribute.startswith(("#", "data:,")), attribute
    assert "<script" not in page
    assert "url(http" not in page and "@import" not in page


def test_page_shows_every_artefact_and_who_computed_it(page):
    assert "LiteRT" in page
    assert "MIL evaluator, not Apple&#39;s runtime" in page


def test_page_shows_how_the_loss_fell(page, toy_run):
    curve = json.loads((toy_run / "student" / "training.json").read_text(encoding="utf-8"))
    assert curve["losses"][-1][1] < curve["losses"][0][1]
    assert "Loss of the student, on the texts that it learned from." in page
    assert "Loss of the teacher" not in page  # whose head alone was fitted


def test_scores_are_drawn_beside_the_loss():
    drawn = charts.training(TrainingEnded("x", ((1, 2.0), (2, 1.0)), ((2, 0.9),)))
    assert "validation accuracy" in drawn
    assert "validation accuracy" not in charts.training(TrainingEnded("x", ((1, 2.0),), ()))


def test_what_is_no_loss_curve_is_refused(build):
    (build / "student" / "training.json").write_text('{"losses": "falling"}')
    with pytest.raises(DataError, match="holds no loss curve"):
        read_build(build)


def test_host_figures_are_never_shown_as_a_phones(page):
    assert "Latency on this host, not a phone" in page
    assert "latency of coreml: coreml runs on Apple&#39;s systems only" in page


def test_page_says_what_the_student_learned_from_and_what_pruning_changed(page, toy_run):
    result = read_result(toy_run)
    learned = result.learned_from
    assert f"The student learned from {learned['labelled']} labelled" in page
    kept, whole = result.segmentation.pieces[1], result.segmentation.pieces[0]
    assert f"{kept} of the teacher's {whole} word pieces were kept" in page


def test_page_shows_calibration_before_and_after_temperature(page, toy_run):
    student = read_result(toy_run).student.evaluation
    for error in (student.raw_calibration_error, student.calibration_error):
        assert f"{error:.1%}" in page


def test_page_has_its_plots_without_the_day(page):
    assert page.count("<svg") == 7
    assert "dc:date" not in page


def test_texts_of_users_are_escaped(build):
    made = read_build(build)
    hostile = Confusion("<b>", "c", ("<script>alert(1)</script>",))
    spoiled = replace(made, result=replace(made.result, confusions=(hostile,)))
    page = write_report([spoiled], build / "x.html").read_text(encoding="utf-8")
    assert "<script>" not in page and "&lt;script&gt;" in page


def test_later_measurements_are_shown_with_the_kind_of_machine(build):
    write_record(counted(build), build / "bench")
    done = pocketbert("report", str(build))
    assert done.returncode == 0, done.stderr
    page = (build / "report.html").read_text(encoding="utf-8")
    assert "Instructions on an emulated ARM64 processor" in page
    assert "2,000,000" in page and "4.44 x" in page
    assert "on an Android phone: no record" in page


def test_measurement_of_another_file_is_not_shown(build):
    write_record(counted(build, sha256="0" * 64), build / "bench")
    made = read_build(build)
    assert made.outdated == ("tflite on cortex-a76: measured before it was made anew",)
    page = write_report([made], build / "x.html").read_text(encoding="utf-8")
    assert "2,000,000" not in page
    assert "tflite on cortex-a76: measured before it was made anew" in page


def test_foreign_file_among_the_records_is_named_not_fatal(build):
    (build / "bench").mkdir()
    (build / "bench" / "x.json").write_text("{}", encoding="utf-8")
    page = write_report([read_build(build)], build / "x.html").read_text(encoding="utf-8")
    assert "x.json: not a latency record" in page


def test_busy_machine_is_marked_wherever_its_figures_stand(build):
    timed = read_result(build).latency["tflite"]
    write_record(replace(timed, device="busy one", busy=True), build / "bench")
    page = write_report([read_build(build)] * 2, build / "x.html").read_text(encoding="utf-8")
    assert "busy, do not compare" in page and "CPU, busy" in page and "(busy)" in page


def test_several_builds_stand_side_by_side(toy_run, build):
    done = pocketbert("report", str(toy_run), str(build), "--out", str(build / "both.html"))
    assert done.returncode == 0, done.stderr
    page = (build / "both.html").read_text(encoding="utf-8")
    assert "2 builds side by side" in page and page.count("<section>") == 2


def test_folder_without_a_result_is_named(tmp_path):
    with pytest.raises(DataError, match="Give a folder that pocketbert run or package wrote"):
        read_build(tmp_path)


def test_result_of_another_version_is_named(build):
    (build / "result.json").write_text(json.dumps({"preset": "nano"}), encoding="utf-8")
    with pytest.raises(DataError, match="another version of pocketbert wrote it"):
        read_build(build)


def test_model_card_says_what_was_measured_and_where_it_ends(toy_run):
    card = (toy_run / "student" / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlibrary_name: transformers\n")
    result = read_result(toy_run)
    assert f"{result.student.evaluation.accuracy:.1%}" in card
    assert "## Limits" in card and asdict(result)["data"] in card


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_browser_opens_the_page_without_an_error(build, browser, scheme):
    write_record(counted(build), build / "bench")
    write_report([read_build(build)], build / "report.html")
    context = browser.new_context(color_scheme=scheme, viewport={"width": 390, "height": 800})
    page = context.new_page()
    errors, asked = [], []
    page.on("pageerror", lambda error: errors.append(error))
    page.on("console", lambda message: errors.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((build / "report.html").as_uri())
    assert errors == []
    assert asked == [(build / "report.html").as_uri()]  # nothing from the network
    # Wide tables scroll for themselves: the page fits a phone.
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    colour = page.evaluate("getComputedStyle(document.querySelector('.good')).color")
    assert colour == {"light": "rgb(16, 124, 65)", "dark": "rgb(74, 222, 128)"}[scheme]
    # Words in plots take the page's colour, and captions do not scroll away with a wide table.
    ink = page.evaluate("getComputedStyle(document.body).color")
    drawn = "[...document.querySelectorAll('svg text')].map(text => getComputedStyle(text).fill)"
    assert set(page.evaluate(drawn)) == {ink}
    wide = "[...document.querySelectorAll('caption')].map(c => c.getBoundingClientRect().right)"
    assert max(page.evaluate(wide)) <= 390
    context.close()


def test_screenshot_shows_the_page(main_run, browser, tmp_path):
    # SCREENSHOT=docs/report.png keeps it, for the README.
    file = Path(os.environ.get("SCREENSHOT", tmp_path / "report.png"))
    page = browser.new_page(viewport={"width": 1000, "height": 1400})
    page.goto((main_run[0] / "report.html").as_uri())
    page.screenshot(path=file)
    picture = image.imread(file)[..., :3]
    assert picture.shape == (1400, 1000, 3)
    assert 0.02 < (picture < 0.9).any(2).mean() < 0.6  # neither blank nor black
    page.close()


def test_page_shows_what_noise_does_to_student_and_artefacts(page, toy_run):
    found = read_result(toy_run)
    section = page.partition("<h2>Noise</h2>")[2].partition("<h2>")[0]
    for kind, figures in found.student.robustness.items():
        assert f"<td>{kind}</td>" in section
        before, after = (f"{share:.1%}" for share in figures.accuracy)
        assert f"{before} → {after}" in section
    assert section.count("<th") == 5 + len(found.verdicts)

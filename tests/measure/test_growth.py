import gzip
import re

from growth import BEGIN, END, PAGE, megabytes

from pocketbert.bundle.manifest import read_manifest
from pocketbert.measure.growth import RUNTIMES, app_growth


def growth(bundle):
    return {one.runtime.where: one for one in app_growth(bundle, read_manifest(bundle))}


def test_every_file_of_the_bundle_is_counted_once(toy_run):
    bundle = toy_run / "bundle"
    rows = growth(bundle)
    every = [file for file in bundle.rglob("*") if file.is_file()]
    packed = {f: len(gzip.compress(f.read_bytes(), 9, mtime=0)) for f in every}
    beside = sum(size for file, size in packed.items() if file.parent == bundle)
    tflite = rows["Android, LiteRT in Google Play services"]
    coreml = rows["iOS 17, Core ML"]
    assert tflite.total == tflite.model + tflite.tables + tflite.rest == beside
    assert tflite.tables == packed[bundle / "vocab.txt"] + packed[bundle / "characters.json"]
    assert coreml.total + tflite.model == sum(packed.values())


def test_what_the_system_brings_costs_nothing(toy_run):
    before = growth(toy_run / "bundle")["iOS 17, Core ML"]
    assert before.runtime.compressed == 0
    carried = growth(toy_run / "bundle")["Android arm64-v8a, LiteRT"]
    assert carried.total > carried.runtime.compressed > 2_000_000


def test_a_runtime_that_is_not_known_adds_no_figure(toy_run):
    unknown = [one for one in RUNTIMES if one.compressed is None]
    assert [one.artifact for one in unknown] == ["tflite-task"]


def test_pages_have_the_runtimes_figures_of_the_one_table():
    listed = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    rows = {cells[0]: cells for cells in re.findall(r"^\| (.*?) \|(.*)\|$", listed, re.MULTILINE)}
    for one in RUNTIMES:
        if one.where in rows:
            assert f"| {megabytes(one.compressed)} |" in f"|{rows[one.where][1]}|"
            assert one.source in rows[one.where][1]
    assert len(rows) > 4
    demo = (PAGE.parent / "android_demo" / "README.md").read_text(encoding="utf-8")
    for one in RUNTIMES:
        if one.where.startswith("Android") and one.compressed:
            assert f"{one.size_bytes:,} | {one.compressed:,}" in demo, one.where

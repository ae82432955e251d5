"""The Android driver with a stand-in adb on PATH; what only a phone can answer is scripted."""

import hashlib
import json
import os
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from command import pocketbert

from pocketbert.base.errors import DeviceError, TargetUnavailable
from pocketbert.base.files import digest, tree_digest
from pocketbert.bundle.open import open_bundle
from pocketbert.measure import android
from pocketbert.measure.host import Rules
from pocketbert.measure.record import LatencyRecord, Steps, read_record, summarize

RULES = Rules(queries=5, seconds=0.0)
LONG = replace(RULES, sustained_minutes=10)
PIXEL = {
    "ro.product.model": "Pixel 8",
    "ro.build.version.release": "15",
    "ro.hardware": "shiba",
}
# What Android answers. The app, as its own shell function, sees the extras that it was launched
# with, $record among them.
ANDROID = """
pm() { echo package:/data/app/base.apk; }
cmd() { echo Success; }
dumpsys() { echo 'IsStatusOverride: false'; echo 'Thermal Status: 1'; }
am() {
  while [ $# -gt 0 ]; do
    case $1 in --e[sif]) eval "$2=\\$3"; shift 3 ;; *) shift ;; esac
  done
  echo 'Starting: Intent { cmp=x }'
  app
  echo 'Status: ok'
}
"""
WRITES = 'cp "$phone/record" "$record"; cp "$phone/marker" "$record.sha256"'


class Phone:
    """A folder behind the stand-in adb."""

    def __init__(self, folder: Path, bundle, **properties: str) -> None:
        self.folder, self.bundle, self.serial = folder, bundle, folder.name
        (folder / "properties").mkdir(parents=True)
        self.put("state", "device product:x model:x")
        for name, value in {**PIXEL, **properties}.items():
            self.put(f"properties/{name}", f"{value}\n")
        self.set_record()
        self.set_app(WRITES)

    def put(self, name: str, content: str) -> None:
        (self.folder / name).write_text(content, encoding="utf-8")

    def set_app(self, app: str, more: str = "") -> None:
        """What the app does when it is launched, and what else Android answers otherwise."""
        self.put("android", f"{ANDROID}\napp() {{ {app}; }}\n{more}\n")

    def set_record(self, **changes: object) -> None:
        """What the app writes: a record, and the digest that says that it is whole."""
        steps = dict.fromkeys(("tokenize", "inference", "answer"), summarize([1.0, 2.0]))
        record = LatencyRecord(
            kind="android-device",
            device="what the app calls it",
            system="",
            artifact="tflite",
            sha256=digest(self.bundle.artifacts["tflite"].artifact.path),
            runtime="LiteRT",
            threads=1,
            by_length=(),
            wall=Steps(**steps),
        )
        written = json.dumps(asdict(replace(record, **changes)))
        self.put("record", written)
        self.put("marker", hashlib.sha256(written.encode()).hexdigest())

    @property
    def commands(self) -> list[str]:
        return (self.folder / "commands").read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def bundle(toy_run):
    return open_bundle(toy_run / "bundle")


@pytest.fixture(autouse=True)
def phones(tmp_path, monkeypatch):
    """The folder of the phones that the stand-in adb sees."""
    monkeypatch.setenv("PATH", f"{Path(__file__).parent / 'stand_in'}:{os.environ['PATH']}")
    monkeypatch.setenv("PHONES", str(tmp_path / "phones"))
    return tmp_path / "phones"


@pytest.fixture
def phone(phones, bundle):
    return Phone(phones / "8A4X", bundle)


def measure(bundle, phone, sleep=lambda s: None, rules=RULES):
    (found,) = android.devices([phone.serial])
    return android.run_benchmark(bundle, "tflite", found, rules, sleep)


def test_bundle_goes_over_and_the_record_comes_back(bundle, phone):
    record = measure(bundle, phone)
    assert (record.device, record.system) == ("Pixel 8", "Android 15")
    assert (record.kind, record.serial) == ("android-device", "8A4X")
    assert (record.thermal.before, record.thermal.after) == ("light", "light")
    (start,) = (command for command in phone.commands if command.startswith("am start -W -S"))
    assert "--es runtime tflite" in start and "--ei queries 5" in start
    # The app takes the driver's word for what it runs on: properties decide, in one place.
    assert "--es kind android-device" in start and "--ei sustained 0" in start
    compiled = "cmd package compile -m speed -f org.pocketbert.demo"
    assert any(command.startswith(compiled) for command in phone.commands)
    (pushed,) = phone.folder.rglob("manifest.json")
    assert tree_digest(pushed.parent) == tree_digest(bundle.path)


@pytest.mark.parametrize(
    "told",
    [
        {"ro.hardware": "ranchu"},
        {"ro.kernel.qemu": "1"},
        {"ro.hardware": "cuttlefish"},
        {"ro.hardware": "cutf_cvm"},
        {"ro.product.device": "vsoc_x86_64"},
    ],
)
def test_emulator_is_told_by_its_properties(bundle, phones, told):
    Phone(phones / "emulator-5554", bundle, **told)
    (found,) = android.devices()
    assert found.kind == "android-emulator"


@pytest.mark.parametrize(
    ("rules", "most_s"), [(RULES, 360), (LONG, 970)], ids=["a minute and cooling", "sustained"]
)
def test_record_is_waited_for_as_long_as_it_may_take(bundle, phone, monkeypatch, rules, most_s):
    monkeypatch.setattr(android, "POLL_S", 10.0)  # fewer questions, the same time
    phone.set_app(":")
    waited = []
    with pytest.raises(DeviceError, match=rf"no record after {most_s} s.*logcat"):
        measure(bundle, phone, waited.append, rules)
    assert sum(waited) == most_s
    sustained = f"--ei sustained {rules.sustained_minutes}"
    assert any(sustained in command for command in phone.commands)


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("--on", "android", "--sustained", "90s"), "90s' is not a whole number of minutes"),
        (("--on", "host", "--sustained", "10m"), "--sustained measures on android, not on host"),
    ],
)
def test_sustained_is_whole_minutes_and_on_a_phone(bundle, flags, why):
    done = pocketbert("bench", str(bundle.path), *flags)
    assert done.returncode == 2 and why in done.stderr


def test_record_of_another_kind_of_machine_is_refused(bundle, phones):
    emulator = Phone(phones / "8A4X", bundle, **{"ro.hardware": "ranchu"})
    with pytest.raises(DeviceError, match="says android-device, and the device is an android-em"):
        measure(bundle, emulator)


def test_record_of_another_artefact_is_refused(bundle, phone):
    phone.set_record(sha256="0" * 64)
    with pytest.raises(DeviceError, match="is of another tflite"):
        measure(bundle, phone)


def test_record_changed_on_its_way_is_refused(bundle, phone):
    phone.set_app(f'{WRITES}; echo >>"$record"')
    with pytest.raises(DeviceError, match="it was changed on its way"):
        measure(bundle, phone)


def test_what_the_app_says_is_passed_on(bundle, phone):
    phone.set_app("echo 'error: the bundle needs litert 9' >$record.sha256")
    with pytest.raises(DeviceError, match="the app says: the bundle needs litert 9"):
        measure(bundle, phone)


def test_marker_that_is_half_written_is_waited_for(bundle, phone):
    phone.set_app(f'{WRITES}; cut -c-20 "$phone/marker" >"$record.sha256"')
    waited = []

    def finish(seconds):
        waited.append(seconds)
        (marker,) = phone.folder.rglob("*.json.sha256")
        marker.write_bytes((phone.folder / "marker").read_bytes())

    assert measure(bundle, phone, finish).artifact == "tflite" and waited == [android.POLL_S]


def test_app_without_the_benchmark_is_named(bundle, phone):
    phone.set_app(":", "am() { echo 'Error: Activity class {x} does not exist.'; }")
    with pytest.raises(DeviceError, match="Activity class"):
        measure(bundle, phone)


def test_app_that_is_not_installed_is_named(bundle, phone):
    phone.set_app(WRITES, "pm() { return 1; }")
    with pytest.raises(
        DeviceError, match=r"is not installed. In android_demo: ./gradlew :app:installRelease"
    ):
        measure(bundle, phone)


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        ("am", "0"),  # adb notices nothing, and does not find the device next time
        ("am", "1 error: closed"),
        ("cat", "255"),
        ("cat", "1 error: device offline"),
    ],
)
def test_device_unplugged_half_way_is_an_error(bundle, phone, moment, words):
    phone.put("unplugged", f"{moment} {words}\n")
    with pytest.raises(DeviceError, match=r"8A4X went away .* Connect it, and measure"):
        measure(bundle, phone)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("unauthorized", "is not authorised: unlock it and accept"),
        ("authorizing", "is not authorised yet: unlock it and accept"),
        ("offline", "is offline: reconnect it"),
        ("no permissions (missing udev rules? user is in the plugdev group)", "may not be opened"),
    ],
)
def test_device_that_is_not_ready_says_what_to_do(phone, state, words):
    phone.put("state", f"{state} usb:1-1")
    with pytest.raises(DeviceError, match=f"8A4X {words}"):
        android.devices()


def test_no_device_and_unknown_serials_are_named(phones, bundle):
    with pytest.raises(DeviceError, match=r"adb sees no device\. Connect one"):
        android.devices()
    Phone(phones / "8A4X", bundle)
    with pytest.raises(DeviceError, match="XYZ: adb sees no such device, but 8A4X"):
        android.devices(["XYZ"])


def test_without_adb_the_remedy_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TargetUnavailable, match=r"adb is missing\. Install Android's platform"):
        android.devices()


def test_adb_that_hangs_is_given_up(monkeypatch, tmp_path):
    program = tmp_path / "adb"
    program.write_text("#!/bin/sh\nexec sleep 60\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(DeviceError, match="no answer within"):
        android._adb(None, ("devices",), "adb devices", 0.2)


def test_command_line_measures_several_devices(bundle, phones, tmp_path):
    for serial in ("8A4X", "9B5Y"):
        Phone(phones / serial, bundle)
    told = {"ro.product.model": "sdk_phone", "ro.hardware": "ranchu"}
    Phone(phones / "emulator-5554", bundle, **told).set_record(kind="android-emulator")
    flags = ("--on", "android", "--queries", "5", "--seconds", "0", "--out", str(tmp_path / "r"))
    done = pocketbert("bench", str(bundle.path), *flags)
    assert done.returncode == 0, done.stdout + done.stderr
    measured = [line for line in done.stdout.splitlines() if line.startswith("an Android phone:")]
    assert sorted(line.split()[-1] for line in measured) == ["8A4X", "9B5Y"]
    assert all("Pixel 8" in line for line in measured)
    assert "an Android emulator, not a phone: sdk_phone" in done.stdout
    assert "coreml: the android app does not carry it" in done.stdout
    found = [read_record(file) for file in (tmp_path / "r").glob("*.json")]
    assert sorted(record.device for record in found) == ["Pixel 8", "Pixel 8", "sdk_phone"]

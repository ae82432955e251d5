"""The real adb client against a device of our own; what only a phone knows is scripted."""

import hashlib
import json
import os
import shutil
import subprocess
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import extras
import pytest
from adb_device import AdbDevice, ScriptedPhone
from command import pocketbert

from pocketbert.base.errors import DeviceError, TargetUnavailable
from pocketbert.base.files import digest
from pocketbert.bundle.open import open_bundle
from pocketbert.measure import android
from pocketbert.measure.host import Rules
from pocketbert.measure.record import LatencyRecord, Steps, read_record, summarize

RULES = Rules(queries=5, seconds=0.0)
LONG = replace(RULES, sustained_minutes=10)
PIXEL = {"ro_product_model": "Pixel 8", "ro_build_version_release": "15", "ro_hardware": "shiba"}


@pytest.fixture(scope="module")
def bundle(toy_run):
    return open_bundle(toy_run / "bundle")


@pytest.fixture(scope="module", autouse=True)
def server():
    """An adb server of our own, so that devices of whoever runs this stay out of it."""
    if shutil.which("adb") is None:
        extras.not_run("no adb here (Debian: apt-get install adb)")
    patch = pytest.MonkeyPatch()
    patch.setenv("ANDROID_ADB_SERVER_PORT", str(15037 + os.getpid() % 20000))
    yield
    subprocess.run(["adb", "kill-server"], capture_output=True, check=False)
    patch.undo()


def written(folder: Path, extras: dict[str, str], **changes: object) -> None:
    """What the real app writes: its record, and when that is whole, its digest."""
    steps = Steps(*[], **dict.fromkeys(("tokenize", "inference", "answer"), summarize([1.0, 2.0])))
    (pushed,) = (folder / extras["bundle"].lstrip("/")).glob(f"{extras['runtime']}.*")
    record = LatencyRecord(
        kind="android-device",
        device="what the app calls it",
        system="",
        artifact=extras["runtime"],
        sha256=digest(pushed),
        runtime="LiteRT",
        threads=1,
        by_length=(),
        wall=steps,
    )
    file = folder / extras["record"].lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(asdict(replace(record, **changes))), encoding="utf-8")
    marker = hashlib.sha256(file.read_bytes()).hexdigest()
    file.with_name(f"{file.name}.sha256").write_text(marker, encoding="utf-8")


@pytest.fixture
def attach(tmp_path):
    """Connect a scripted phone; its device and its script."""
    opened = []

    def connect(app=None, behaviour="ready", **properties):
        folder = tmp_path / f"phone{len(opened)}"
        phone = ScriptedPhone(
            folder, app or (lambda extras: written(folder, extras)), **{**PIXEL, **properties}
        )
        device = AdbDevice(folder, phone, behaviour=behaviour)
        opened.append(device)
        subprocess.run(["adb", "connect", device.serial], capture_output=True, check=False)
        return device, phone

    yield connect
    for device in opened:
        subprocess.run(["adb", "disconnect", device.serial], capture_output=True, check=False)
        with closing(device):
            pass


def measure(bundle, device, sleep=lambda s: None, rules=RULES):
    (found,) = android.devices([device.serial])
    return android.run_benchmark(bundle, "tflite", found, rules, sleep)


def test_bundle_goes_over_and_the_record_comes_back(bundle, attach):
    device, phone = attach()
    record = measure(bundle, device)
    assert (record.device, record.system, record.kind) == (
        "Pixel 8",
        "Android 15",
        "android-device",
    )
    assert (record.thermal.before, record.thermal.after) == ("light", "light")
    (start,) = (command for command in phone.commands if command.startswith("am start -W -S"))
    assert "--es runtime tflite" in start and "--ei queries 5" in start
    # The app takes the driver's word for what it runs on: properties decide, in one place.
    assert "--es kind android-device" in start and "--ei sustained 0" in start
    compiled = "cmd package compile -m speed -f org.pocketbert.demo"
    assert any(command.startswith(compiled) for command in phone.commands)
    (pushed,) = phone.folder.rglob("manifest.json")
    assert pushed.read_bytes() == (bundle.path / "manifest.json").read_bytes()
    assert (pushed.parent / "tflite.tflite").exists()


@pytest.mark.parametrize(
    "property_",
    [
        {"ro_hardware": "ranchu"},
        {"ro_kernel_qemu": "1"},
        {"ro_hardware": "cuttlefish"},
        {"ro_hardware": "cutf_cvm"},
        {"ro_product_device": "vsoc_x86_64"},
    ],
)
def test_emulator_is_told_by_its_properties(attach, property_):
    device, _ = attach(**property_)
    (found,) = android.devices([device.serial])
    assert found.kind == "android-emulator"


def test_sustained_measurement_is_asked_for_and_waited_for(bundle, attach):
    device, phone = attach()
    phone.app = lambda extras: None
    with pytest.raises(DeviceError, match="no record after 970 s"):
        measure(bundle, device, rules=LONG)
    assert any("--ei sustained 10" in command for command in phone.commands)


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


def test_record_of_another_kind_of_machine_is_refused(bundle, attach):
    device, _ = attach(ro_hardware="ranchu")  # and the app says android-device
    with pytest.raises(DeviceError, match="says android-device, and the device is an android-em"):
        measure(bundle, device)


def test_record_of_another_artefact_is_refused(bundle, attach, tmp_path):
    device, phone = attach()
    phone.app = lambda extras: written(phone.folder, extras, sha256="0" * 64)
    with pytest.raises(DeviceError, match="is of another tflite"):
        measure(bundle, device)


def test_record_changed_on_its_way_is_refused(bundle, attach):
    device, phone = attach()

    def spoil(extras):
        written(phone.folder, extras)
        file = phone.folder / extras["record"].lstrip("/")
        file.write_text(file.read_text(encoding="utf-8") + " ", encoding="utf-8")

    phone.app = spoil
    with pytest.raises(DeviceError, match="it was changed on its way"):
        measure(bundle, device)


def test_what_the_app_says_is_passed_on(bundle, attach):
    device, phone = attach()

    def refuse(extras):
        marker = phone.folder / f"{extras['record']}.sha256".lstrip("/")
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.write_text("error: the bundle needs litert 9", encoding="utf-8")

    phone.app = refuse
    with pytest.raises(DeviceError, match="the app says: the bundle needs litert 9"):
        measure(bundle, device)


def test_marker_that_is_half_written_is_waited_for(bundle, attach):
    device, phone = attach()
    rest = []

    def halve(extras):
        written(phone.folder, extras)
        marker = phone.folder / f"{extras['record']}.sha256".lstrip("/")
        whole = marker.read_text(encoding="utf-8")
        marker.write_text(whole[:20], encoding="utf-8")
        rest.append(lambda: marker.write_text(whole, encoding="utf-8"))

    phone.app = halve
    assert measure(bundle, device, lambda s: rest.pop()()).artifact == "tflite"


def test_app_without_the_benchmark_is_named(bundle, attach):
    device, phone = attach()
    phone.scripted_am = lambda command: (0, "Error: Activity class {x} does not exist.\n")
    with pytest.raises(DeviceError, match="Activity class"):
        measure(bundle, device)


def test_no_record_in_time_is_an_error(bundle, attach):
    device, phone = attach()
    phone.app = lambda extras: None
    with pytest.raises(DeviceError, match=r"no record after 360 s.*logcat"):
        measure(bundle, device)


def test_app_that_is_not_installed_is_named(bundle, attach):
    device, phone = attach()
    phone.installed = False
    with pytest.raises(
        DeviceError, match=r"is not installed. In android_demo: ./gradlew :app:installRelease"
    ):
        measure(bundle, device)


@pytest.mark.parametrize("moment", ["am", "cat"])
def test_device_unplugged_half_way_is_an_error(bundle, attach, moment):
    device, phone = attach()
    phone.unplugged_at = moment
    with pytest.raises(DeviceError, match=f"{device.serial} went away .* Connect it, and measure"):
        measure(bundle, device)


def test_unauthorised_device_says_what_to_do(attach):
    device, _ = attach(behaviour="unauthorized")
    with pytest.raises(DeviceError, match=r"is not authorised.*: unlock it and accept"):
        android.devices([device.serial])


def test_offline_device_says_what_to_do(monkeypatch, tmp_path):
    listed = "List of devices attached\nABC123 offline usb:1-1\n"
    stand_in(tmp_path, monkeypatch, f"printf '{listed}'")
    with pytest.raises(DeviceError, match="ABC123 is offline: reconnect it"):
        android.devices()


def test_no_device_and_unknown_serials_are_named(attach):
    with pytest.raises(DeviceError, match=r"adb sees no device\. Connect one"):
        android.devices()
    device, _ = attach()
    with pytest.raises(DeviceError, match=f"XYZ: adb sees no such device, but {device.serial}"):
        android.devices(["XYZ"])


def test_without_adb_the_remedy_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TargetUnavailable, match=r"adb is missing\. Install Android's platform"):
        android.devices()


def test_adb_that_hangs_is_given_up(monkeypatch, tmp_path):
    stand_in(tmp_path, monkeypatch, "sleep 60")
    monkeypatch.setattr(android, "ANSWER_S", 0.2)
    with pytest.raises(DeviceError, match="no answer within"):
        android._adb(None, ("devices",), "adb devices", 0.2)


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A program called adb, first on PATH."""
    program = folder / "adb"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_command_line_measures_several_devices(bundle, attach, tmp_path):
    attach()
    attach()
    emulator = attach(ro_product_model="sdk_phone", ro_hardware="ranchu")[1]
    emulator.app = lambda extras: written(emulator.folder, extras, kind="android-emulator")
    flags = ("--on", "android", "--queries", "5", "--seconds", "0", "--out", str(tmp_path / "r"))
    done = pocketbert("bench", str(bundle.path), *flags)
    assert done.returncode == 0, done.stdout + done.stderr
    phones = [line for line in done.stdout.splitlines() if line.startswith("an Android phone:")]
    assert len(phones) == 2 and all("Pixel 8 127.0.0.1:" in line for line in phones)
    assert "an Android emulator, not a phone: sdk_phone" in done.stdout
    assert "coreml: the android app does not carry it" in done.stdout
    found = [read_record(file) for file in (tmp_path / "r").glob("*.json")]
    assert sorted(record.device for record in found) == ["Pixel 8", "Pixel 8", "sdk_phone"]

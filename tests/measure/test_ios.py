"""The iOS driver with a stand-in xcrun on PATH; what only a Mac can answer is scripted."""

import json
import os
import sys
import textwrap
from dataclasses import asdict, replace

import pytest
from command import pocketbert

from pocketbert.base.errors import DeviceError, TargetUnavailable
from pocketbert.base.files import digest
from pocketbert.bundle.open import open_bundle
from pocketbert.measure import ios
from pocketbert.measure.host import Rules
from pocketbert.measure.record import LatencyRecord, Steps, summarize

RULES = Rules(queries=5, seconds=0.0)
# Answers like Xcode's, to the calls that the driver makes; the app is a file that it copies.
# Its second line is Python's start to a shell and a string to Python: no blank may stand in "#!".
XCRUN = """
    #!/bin/sh
    "exec" "{python}" "$0" "$@"
    import json, pathlib, shutil, sys
    given = " ".join(sys.argv[1:])
    state = json.loads(pathlib.Path({state!r}).read_text())
    pathlib.Path({log!r}).open("a").write(given + "\\n")
    if given.startswith("simctl list devices"):
        print(json.dumps({{"devices": {{"com.apple.CoreSimulator.SimRuntime.iOS-18-0": [
            {{"udid": "SIM-1", "name": "iPhone 16", "state": state["simulator"]}}]}}}}))
    elif given.startswith("devicectl list"):
        phone = {{"identifier": "PHONE-1", "deviceProperties": {{"name": "Ann's iPhone",
            "osVersionNumber": "18.1"}}, "connectionProperties": {{"tunnelState": state["phone"]}}}}
        pathlib.Path(sys.argv[-1]).write_text(json.dumps({{"result": {{"devices": [phone]}}}}))
    elif " launch " in given:
        written = pathlib.Path({log!r}).with_name("written.json")
        if written.exists():
            named = sys.argv[sys.argv.index("--record") + 1]
            shutil.copy(written, pathlib.Path(state["container"]) / "Documents" / named)
    elif given.startswith("simctl listapps"):
        print("{{\\n    \\"com.apple.mobilesafari\\" =     {{\\n        Path = x;\\n    }};")
        for app in state["apps"]:
            print("    \\"" + app + "\\" =     {{\\n        CFBundleName = ChatDemo;\\n    }};")
        print("}}")
    elif given.startswith("devicectl device info apps"):
        apps = [{{"bundleIdentifier": app}} for app in state["apps"]]
        pathlib.Path(sys.argv[-1]).write_text(json.dumps({{"result": {{"apps": apps}}}}))
    elif given.startswith("simctl get_app_container"):
        print(state["container"])
    elif given.startswith("devicectl device copy from"):
        record = pathlib.Path(state["container"]) / sys.argv[sys.argv.index("--source") + 1]
        shutil.copy(record, sys.argv[-1]) if record.exists() else sys.exit("not found")
"""


@pytest.fixture(scope="module")
def bundle(toy_run):
    return open_bundle(toy_run / "bundle")


class Mac:
    """Files behind the stand-in."""

    def __init__(self, folder, bundle):
        self.folder, self.bundle = folder, bundle
        self.log = folder / "log.txt"
        self.log.write_text("", encoding="utf-8")
        (folder / "container" / "Documents").mkdir(parents=True)
        self.set()

    def set(self, simulator="Booted", phone="unavailable", apps=(ios.APP,)):
        state = {"simulator": simulator, "phone": phone, "apps": apps}
        state["container"] = str(self.folder / "container")
        (self.folder / "state.json").write_text(json.dumps(state), encoding="utf-8")

    def write(self, **changes):
        """The record that the app leaves."""
        step = summarize([1.0, 2.0])
        record = LatencyRecord(
            kind="ios-simulator",
            device="iPhone17,3",
            system="",
            artifact="coreml",
            sha256=digest(self.bundle.artifacts["coreml"].artifact.path),
            runtime="Core ML",
            threads=1,
            by_length=(),
            wall=Steps(tokenize=step, inference=step, answer=step),
        )
        file = self.folder / "written.json"
        file.write_text(json.dumps(asdict(replace(record, **changes))), encoding="utf-8")


@pytest.fixture
def mac(tmp_path, monkeypatch, bundle):
    program = tmp_path / "xcrun"
    paths = {"state": str(tmp_path / "state.json"), "log": str(tmp_path / "log.txt")}
    script = textwrap.dedent(XCRUN).strip().format(python=sys.executable, **paths)
    program.write_text(script, encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return Mac(tmp_path, bundle)


def measure(bundle, device):
    return ios.run_benchmark(bundle, "coreml", device, RULES, sleep=lambda s: None)


def test_simulator_is_launched_and_its_record_read(mac, bundle):
    mac.write()
    (device,) = ios.devices()
    assert device == ios.AppleDevice("SIM-1", "iPhone 16", "iOS-18-0", "ios-simulator")
    record = measure(bundle, device)
    assert (record.kind, record.system) == ("ios-simulator", "iOS-18-0")
    assert record.device == "iPhone 16, iPhone17,3"
    launched = mac.log.read_text(encoding="utf-8")
    assert "simctl launch --terminate-running-process SIM-1 org.pocketbert.demo " in launched
    assert "--benchmark coreml --record coreml-" in launched
    assert "--warm-up 20 --queries 5" in launched


def test_what_an_earlier_run_has_left_is_not_taken(mac, bundle):
    mac.write()
    (device,) = ios.devices()
    first = measure(bundle, device)
    mac.write(runtime="Core ML, a later one")
    assert measure(bundle, device).runtime != first.runtime


@pytest.mark.parametrize("tunnel", ["connected", "disconnected"])
def test_phone_is_told_from_a_simulator(mac, bundle, tunnel):
    """An idle phone is disconnected until someone calls it."""
    mac.set(simulator="Shutdown", phone=tunnel, apps=(f"{ios.APP}ABCDE12345",))
    mac.write(kind="ios-device")
    (device,) = ios.devices()
    assert (device.kind, device.system) == ("ios-device", "iOS 18.1")
    assert measure(bundle, device).device == "Ann's iPhone, iPhone17,3"
    launched = mac.log.read_text(encoding="utf-8")
    # What follows the two dashes is the app's: its identifier, which has the team's, and its flags.
    assert "--device PHONE-1 -- org.pocketbert.demoABCDE12345 --benchmark coreml" in launched
    assert "--domain-identifier org.pocketbert.demoABCDE12345" in launched


def test_record_may_leave_open_what_the_runtime_does_not_tell(mac, bundle):
    mac.write(threads=None)
    (device,) = ios.devices()
    assert measure(bundle, device).threads is None


def test_simulators_record_is_never_taken_for_a_phones(mac, bundle):
    mac.set(simulator="Shutdown", phone="connected")
    mac.write(kind="ios-simulator")
    (device,) = ios.devices()
    with pytest.raises(DeviceError, match="says ios-simulator, and the device is an ios-device"):
        measure(bundle, device)


def test_record_of_another_artefact_is_refused(mac, bundle):
    mac.write(sha256="0" * 64)
    (device,) = ios.devices()
    with pytest.raises(DeviceError, match="is of another coreml"):
        measure(bundle, device)


def test_what_the_app_says_is_passed_on(mac, bundle):
    (mac.folder / "written.json").write_text("error: the bundle is damaged", encoding="utf-8")
    (device,) = ios.devices()
    with pytest.raises(DeviceError, match="iPhone 16: the app says: the bundle is damaged"):
        measure(bundle, device)


def test_what_the_app_does_not_carry_is_not_run(mac, bundle):
    said = "not run: the app does not carry coreml, or cannot run it here"
    (mac.folder / "written.json").write_text(said, encoding="utf-8")
    (device,) = ios.devices()
    with pytest.raises(TargetUnavailable, match="iPhone 16: the app does not carry coreml"):
        measure(bundle, device)


def test_no_record_in_time_is_an_error(mac, bundle, monkeypatch):
    monkeypatch.setattr(ios, "POLL_S", 20.0)
    (device,) = ios.devices()
    with pytest.raises(DeviceError, match=r"no record after 60 s.*What was said last: coreml-"):
        measure(bundle, device)


def test_device_without_the_app_is_passed_over(mac, bundle):
    mac.set(apps=("org.example.other",))
    (device,) = ios.devices()
    with pytest.raises(TargetUnavailable, match=r"the app is not installed\. In ios_demo"):
        measure(bundle, device)


def test_two_copies_of_the_app_are_named(mac, bundle):
    mac.set(apps=(ios.APP, f"{ios.APP}ABCDE12345"))
    (device,) = ios.devices()
    with pytest.raises(DeviceError, match=r"has 2 copies of the app, org\.pocketbert\.demo, org"):
        measure(bundle, device)


def test_nothing_connected_and_unknown_devices_are_named(mac):
    with pytest.raises(DeviceError, match="XYZ: Xcode sees no such device, but SIM-1"):
        ios.devices(("XYZ",))
    mac.set(simulator="Shutdown")
    with pytest.raises(DeviceError, match="No simulator is booted and no device is in reach"):
        ios.devices()


def test_without_xcode_it_says_where_to_measure(monkeypatch, tmp_path, toy_run):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TargetUnavailable, match=r"xcrun is missing\. It needs macOS with Xcode"):
        ios.devices()


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac may have Xcode")
def test_command_line_on_linux_says_where_to_measure(toy_run):
    done = pocketbert("bench", str(toy_run / "bundle"), "--on", "ios")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("It needs macOS with Xcode; measure there.")

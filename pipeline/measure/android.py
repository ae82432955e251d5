"""A phone or an emulator through adb: push the bundle, launch the benchmark, pull its record.

The app writes the record; this driver knows nothing of runtimes. What the device is, its properties
decide, never its name. adb after Android's documentation (`adb help`, `am start`, `dumpsys`).
"""

import hashlib
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from ..base.errors import DeviceError
from ..base.files import sha256
from ..base.progress import track
from ..bundle.layout import MANIFEST
from ..bundle.open import Bundle
from .devices import FAILED, call, check_record, client
from .host import Rules
from .record import Kind, LatencyRecord, Thermal, read_record

PACKAGE = "org.pocketbert.demo"
ACTIVITY = f"{PACKAGE}/.BenchmarkActivity"
# Which adb and the app may write and read, without a permission: below Android/data, a folder that
# adb makes is closed to the app from Android 11 on.
FOLDER = f"/sdcard/Android/media/{PACKAGE}/bench"
EMULATORS = ("ranchu", "goldfish", "cuttlefish", "cutf_cvm", "vbox86")  # ro.hardware
ANSWER_S = 30.0  # for a single command
START_S = 120.0  # am start -W waits for the first frame, which a slow emulator takes long for
PUSH_S = 300.0
POLL_S = 1.0
COMPILE_S = 300.0
COOLING_S = 300.0  # that the app waits for a cool phone, before it gives up
THERMAL = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
GONE = r"device .*not found|device offline|error: closed|exit 255"
STATES = {
    "unauthorized": "is not authorised: unlock it and accept this computer's key",
    "authorizing": "is not authorised yet: unlock it and accept this computer's key",
    "offline": "is offline: reconnect it, or restart it",
    "no permissions": "may not be opened: install the udev rules of Android's tools",
}


@dataclass(frozen=True)
class AndroidDevice:
    """One device that adb reaches."""

    serial: str
    model: str
    release: str  # of Android
    kind: Kind


def devices(serials: Sequence[str] = ()) -> tuple[AndroidDevice, ...]:
    """The devices that adb reaches; only those in `serials` where any is given.

    Raises:
        TargetUnavailable: adb is not installed.
        DeviceError: none, or one that is not ready.
    """
    lines = _adb(None, ("devices", "-l"), "adb devices").splitlines()[1:]
    states = {line.split()[0]: line.split(None, 1)[1] for line in lines if line.strip()}
    if missing := [serial for serial in serials if serial not in states]:
        raise DeviceError(
            f"{missing[0]}: adb sees no such device, but {', '.join(states) or 'none'}. "
            "Connect it, with USB debugging on."
        )
    chosen = serials or tuple(states)
    if not chosen:
        raise DeviceError("adb sees no device. Connect one with USB debugging on, or start one.")
    for serial in chosen:
        for state, words in STATES.items():
            if states[serial].startswith(state):
                raise DeviceError(f"{serial} {words}.")
    return tuple(map(_describe, chosen))


def run_benchmark(
    bundle: Bundle,
    target: str,
    device: AndroidDevice,
    rules: Rules,
    sleep: Callable[[float], None] = time.sleep,
) -> LatencyRecord:
    """Have the app on `device` measure `target`, and fetch its record.

    Raises:
        DeviceError: app not installed, no record in time, a record that was changed on its way or
            is of something else, a device that went away.
    """
    serial = device.serial
    if not _shell(serial, f"pm path {PACKAGE} || true").strip():
        raise DeviceError(
            f"{serial}: the app {PACKAGE} is not installed. In android_demo: "
            "./gradlew :app:installRelease"
        )
    place = f"{FOLDER}/{sha256(bundle.path / MANIFEST)[:16]}"
    record = f"{FOLDER}/{target}.json"
    _shell(serial, f"mkdir -p {FOLDER} && rm -rf {place} {record} {record}.sha256")
    _adb(serial, ("push", str(bundle.path), place), f"{serial}: push", PUSH_S)
    # As a phone has it some days after the installation, whatever was profiled until now.
    _shell(serial, f"cmd package compile -m speed -f {PACKAGE} || true", COMPILE_S)
    before = _thermal(serial)
    started = _shell(
        serial,
        f"am start -W -S -n {ACTIVITY} --es bundle {place} --es runtime {target} "
        f"--es record {record} --ei warmUp {rules.warm_up} --ei queries {rules.queries} "
        f"--ef seconds {rules.seconds} --ef coolDown {rules.cool_down_s} "
        f"--ei sustained {rules.sustained_minutes} --es kind {device.kind} 2>&1",
        START_S,
    )
    if "Error" in started:
        raise DeviceError(f"{serial}: {started.strip().splitlines()[-1]}.")
    expected = _wait(serial, f"{record}.sha256", rules, sleep)
    measured = _fetch(serial, record, expected)
    check_record(measured, device.kind, bundle, target, serial)
    return replace(
        measured,
        device=device.model,
        serial=serial,
        system=f"Android {device.release}",
        thermal=Thermal(before=before, after=_thermal(serial)),
    )


def _fetch(serial: str, record: str, expected: str) -> LatencyRecord:
    """The record on the device, whose sha256 is `expected`."""
    with TemporaryDirectory() as scratch:
        file = Path(scratch) / "record.json"
        _adb(serial, ("pull", record, str(file)), f"{serial}: pull")
        found = hashlib.sha256(file.read_bytes()).hexdigest()
        if found != expected:
            raise DeviceError(
                f"{serial}: the record has sha256 {found[:12]}…, and the app wrote "
                f"{expected[:12]}…: it was changed on its way. Measure again."
            )
        return read_record(file)


def _describe(serial: str) -> AndroidDevice:
    names = (
        *("ro.product.model", "ro.build.version.release", "ro.hardware"),
        *("ro.kernel.qemu", "ro.product.device", "ro.boot.hardware"),
    )
    answers = [_shell(serial, f"getprop {name}").strip() for name in names]
    model, release, hardware, qemu, product, boot = answers
    emulated = (
        hardware in EMULATORS or boot in EMULATORS or qemu == "1" or product.startswith("vsoc")
    )
    kind: Kind = "android-emulator" if emulated else "android-device"
    return AndroidDevice(serial, model or serial, release or "unknown", kind)


def _wait(serial: str, marker: str, rules: Rules, sleep: Callable[[float], None]) -> str:
    """What the app writes into `marker` once the record is whole: its sha256.

    Anything else is half written, unless it is an error.
    """
    # Queries of a slow phone may take a while: ten times what the rules ask for, and a minute.
    limit = 60 + 10 * rules.seconds + rules.cool_down_s + COOLING_S + 61 * rules.sustained_minutes
    for _ in track(range(int(limit / POLL_S)), f"Wait for {serial}"):
        found = _shell(serial, f"cat {marker} 2>/dev/null || true").strip()
        if re.fullmatch("[0-9a-f]{64}", found):
            return found
        if found.startswith(FAILED):
            raise DeviceError(f"{serial}: the app says: {found.removeprefix(FAILED)}")
        sleep(POLL_S)
    raise DeviceError(
        f"{serial}: no record after {limit:.0f} s. Look at the screen, keep it unlocked, and see "
        f"adb -s {serial} logcat -s pocketbert"
    )


def _thermal(serial: str) -> str:
    """The system's own word for how hot it is; a number below it is not defined across phones."""
    said = _shell(serial, "dumpsys thermalservice 2>/dev/null || true")
    found = re.search(r"Thermal Status: (\d)", said)
    return THERMAL[int(found[1])] if found and int(found[1]) < len(THERMAL) else "unknown"


def _shell(serial: str, command: str, seconds: float = ANSWER_S) -> str:
    return _adb(serial, ("shell", command), f"{serial}: {command.split()[0]}", seconds)


def _adb(serial: str | None, arguments: Sequence[str], what: str, seconds: float = ANSWER_S) -> str:
    program = client("adb", "Install Android's platform tools (Debian: apt-get install adb).")
    chosen = ("-s", serial) if serial else ()
    try:
        return call((program, *chosen, *arguments), what, seconds)
    except DeviceError as error:
        if serial and re.search(GONE, str(error)):
            raise DeviceError(
                f"{serial} went away while it was measured: {error} Connect it, and measure again."
            ) from error
        raise

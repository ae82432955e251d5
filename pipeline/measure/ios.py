"""An iOS simulator or device through xcrun: the app measures, this driver fetches its record.

Calls after Apple's documentation (`xcrun simctl help`, `xcrun devicectl help`). Needs macOS.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from ..base.errors import DeviceError
from ..base.progress import track
from ..bundle.open import Bundle
from .devices import FAILED, call, check_record, client
from .host import Rules
from .record import Kind, LatencyRecord, read_record

APP = "org.pocketbert.demo"
REMEDY = "It needs macOS with Xcode; measure there."
ANSWER_S = 120.0
POLL_S = 1.0


@dataclass(frozen=True)
class Device:
    """A simulator that is booted, or a device that is connected."""

    identifier: str
    name: str
    system: str
    kind: Kind


def devices(identifiers: Sequence[str] = ()) -> tuple[Device, ...]:
    """Booted simulators and connected devices; only `identifiers` where any is given.

    Raises:
        TargetUnavailable: no xcrun here.
        DeviceError: none is ready.
    """
    found = (*_simulators(), *_phones())
    known = {device.identifier: device for device in found}
    for identifier in identifiers:
        if identifier not in known:
            raise DeviceError(
                f"{identifier}: Xcode sees no such device, but {', '.join(known) or 'none'}."
            )
    chosen = tuple(known[i] for i in identifiers) or found
    if not chosen:
        raise DeviceError("No simulator is booted and no device is connected. Open one in Xcode.")
    return chosen


def measure(
    bundle: Bundle,
    target: str,
    device: Device,
    rules: Rules,
    sleep: Callable[[float], None] = time.sleep,
) -> LatencyRecord:
    """Have the app on `device` measure `target` of the bundle it carries, and fetch its record.

    Raises:
        DeviceError: app not installed, its own error, no record in time, a record of something
            else.
    """
    name = f"{target}-{uuid4().hex[:8]}.json"  # never what an earlier run has left
    arguments = ["--benchmark", target, "--record", name, "--warm-up", str(rules.warm_up)]
    arguments += ["--queries", str(rules.queries)]
    arguments += ["--seconds", str(rules.seconds), "--cool-down", str(rules.cool_down_s)]
    launch, fetch = _PHONE if device.kind == "ios-device" else _SIMULATOR
    if device.kind == "ios-simulator":
        _container(device.identifier)
    _xcrun((*launch(device.identifier), *arguments), f"{device.name}: launch")
    limit = 60 + 10 * rules.seconds + rules.cool_down_s
    with TemporaryDirectory() as scratch:
        last = ""
        for _ in track(range(int(limit / POLL_S)), f"Wait for {device.name}"):
            try:
                file = fetch(device.identifier, name, Path(scratch))
            except DeviceError as error:  # most likely not yet written
                last = str(error)
                sleep(POLL_S)
                continue
            said = file.read_text(encoding="utf-8", errors="replace")
            if said.startswith(FAILED):
                raise DeviceError(f"{device.name}: the app says: {said.removeprefix(FAILED)}")
            measured = read_record(file)
            check_record(measured, device.kind, bundle, target, device.name)
            return replace(
                measured, device=device.name, serial=device.identifier, system=device.system
            )
    raise DeviceError(
        f"{device.name}: no record after {limit:.0f} s. Look at the screen, and keep it unlocked. "
        f"What was said last: {last}"
    )


def _simulators() -> tuple[Device, ...]:
    listed = json.loads(_xcrun(("simctl", "list", "devices", "booted", "--json"), "simctl list"))
    return tuple(
        Device(one["udid"], one["name"], runtime.rpartition(".")[2], "ios-simulator")
        for runtime, group in listed["devices"].items()
        for one in group
        if one.get("state") == "Booted"
    )


def _phones() -> tuple[Device, ...]:
    with TemporaryDirectory() as scratch:
        file = Path(scratch) / "devices.json"
        _xcrun(("devicectl", "list", "devices", "--json-output", str(file)), "devicectl list")
        listed: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return tuple(
        Device(
            one["identifier"],
            one["deviceProperties"]["name"],
            f"iOS {one['deviceProperties'].get('osVersionNumber', 'unknown')}",
            "ios-device",
        )
        for one in listed["result"]["devices"]
        if one["connectionProperties"].get("tunnelState") == "connected"
    )


def _fetch_from_simulator(identifier: str, name: str, _: Path) -> Path:
    file = _container(identifier) / "Documents" / name
    if not file.exists():
        raise DeviceError(f"{name} is not in the app's folder.")
    return file


def _container(identifier: str) -> Path:
    """The app's folder; raises `DeviceError` where it is not installed."""
    what = "the app is not installed; in ios_demo, build and run it once"
    return Path(_xcrun(("simctl", "get_app_container", identifier, APP, "data"), what).strip())


def _fetch_from_phone(identifier: str, name: str, scratch: Path) -> Path:
    file = scratch / name
    _xcrun(
        (
            *("devicectl", "device", "copy", "from", "--device", identifier),
            *("--domain-type", "appDataContainer", "--domain-identifier", APP),
            *("--source", f"Documents/{name}", "--destination", str(file)),
        ),
        "fetch",
    )
    return file


_SIMULATOR = (
    lambda identifier: ("simctl", "launch", "--terminate-running-process", identifier, APP),
    _fetch_from_simulator,
)
_PHONE = (
    lambda identifier: (
        *("devicectl", "device", "process", "launch", "--terminate-existing"),
        *("--device", identifier, APP),
    ),
    _fetch_from_phone,
)


def _xcrun(arguments: tuple[str, ...], what: str) -> str:
    return call((client("xcrun", REMEDY), *arguments), what, ANSWER_S)

"""An iOS simulator or device through xcrun: the app measures, this driver fetches its record.

Calls after Apple's documentation (`xcrun simctl help`, `xcrun devicectl help`). Needs macOS.
"""

import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from ..base.errors import DeviceError, TargetUnavailable
from ..base.progress import track
from ..bundle.open import Bundle
from .devices import FAILED, MISSING, call, check_record, client
from .host import Rules
from .record import Kind, LatencyRecord, read_record

APP = "org.pocketbert.demo"  # and, where it is signed, the team's own identifier after that
REMEDY = "It needs macOS with Xcode; measure there."
ANSWER_S = 120.0
POLL_S = 1.0


@dataclass(frozen=True)
class AppleDevice:
    """A simulator that is booted, or a device that is connected."""

    identifier: str
    name: str
    system: str
    kind: Kind


def devices(identifiers: Sequence[str] = ()) -> tuple[AppleDevice, ...]:
    """Booted simulators and devices within reach; only `identifiers` where any is given.

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
        raise DeviceError("No simulator is booted and no device is in reach. Open one in Xcode.")
    return chosen


def run_benchmark(
    bundle: Bundle,
    target: str,
    device: AppleDevice,
    rules: Rules,
    sleep: Callable[[float], None] = time.sleep,
) -> LatencyRecord:
    """Have the app on `device` measure `target` of the bundle it carries, and fetch its record.

    Raises:
        TargetUnavailable: the app is not installed there, or does not run `target`.
        DeviceError: several copies of it, its own error, no record in time, a record of something
            else.
    """
    name = f"{target}-{uuid4().hex[:8]}.json"  # never what an earlier run has left
    arguments = ["--benchmark", target, "--record", name, "--warm-up", str(rules.warm_up)]
    arguments += ["--queries", str(rules.queries)]
    arguments += ["--seconds", str(rules.seconds), "--cool-down", str(rules.cool_down_s)]
    tool = _PHONE if device.kind == "ios-device" else _SIMULATOR
    app = _choose_app(device, tool.apps(device.identifier))
    _xcrun((*tool.launch(device.identifier), app, *arguments), f"{device.name}: launch")
    limit = 60 + 10 * rules.seconds + rules.cool_down_s
    with TemporaryDirectory() as scratch:
        last = ""
        for _ in track(range(int(limit / POLL_S)), f"Wait for {device.name}"):
            try:
                file = tool.fetch(device.identifier, app, name, Path(scratch))
            except DeviceError as error:  # most likely not yet written
                last = str(error)
                sleep(POLL_S)
                continue
            said = file.read_text(encoding="utf-8", errors="replace")
            if said.startswith(FAILED):
                raise DeviceError(f"{device.name}: the app says: {said.removeprefix(FAILED)}")
            if said.startswith(MISSING):
                raise TargetUnavailable(f"{device.name}: {said.removeprefix(MISSING)}")
            measured = read_record(file)
            check_record(measured, device.kind, bundle, target, device.name)
            return replace(
                measured,
                device=f"{device.name}, {measured.device}",  # its owner's name for it, its model
                serial=device.identifier,
                system=device.system,
            )
    raise DeviceError(
        f"{device.name}: no record after {limit:.0f} s. Look at the screen, and keep it unlocked. "
        f"What was said last: {last}"
    )


def _simulators() -> tuple[AppleDevice, ...]:
    listed = json.loads(_xcrun(("simctl", "list", "devices", "booted", "--json"), "simctl list"))
    return tuple(
        AppleDevice(one["udid"], one["name"], runtime.rpartition(".")[2], "ios-simulator")
        for runtime, group in listed["devices"].items()
        for one in group
        if one.get("state") == "Booted"
    )


def _phones() -> tuple[AppleDevice, ...]:
    listed = _devicectl(("list", "devices"), "devicectl list")
    return tuple(
        AppleDevice(
            one["identifier"],
            one["deviceProperties"]["name"],
            f"iOS {one['deviceProperties'].get('osVersionNumber', 'unknown')}",
            "ios-device",
        )
        for one in listed["result"]["devices"]
        # An idle phone is "disconnected" until someone calls it, and devicectl does.
        if one["connectionProperties"].get("tunnelState") != "unavailable"
    )


def _choose_app(device: AppleDevice, installed: Sequence[str]) -> str:
    """The identifier of the sample app among those `installed`; raises as `run_benchmark`."""
    found = sorted({app for app in installed if app.startswith(APP)})
    if not found:
        raise TargetUnavailable(
            f"{device.name}: the app is not installed. In ios_demo, build and run it once."
        )
    if len(found) > 1:
        raise DeviceError(
            f"{device.name}: has {len(found)} copies of the app, {', '.join(found)}. "
            "Remove all but one."
        )
    return found[0]


@dataclass(frozen=True)
class _Tool:
    """How one kind of device is asked; `apps` are identifiers."""

    apps: Callable[[str], Sequence[str]]
    launch: Callable[[str], tuple[str, ...]]  # up to the app's identifier
    fetch: Callable[[str, str, str, Path], Path]


def _simulator_apps(identifier: str) -> Sequence[str]:
    # A property list of the old kind, keyed by identifier.
    listed = _xcrun(("simctl", "listapps", identifier), "simctl listapps")
    return re.findall(r'^\s*"?([\w.-]+)"?\s*=\s*\{', listed, re.MULTILINE)


def _phone_apps(identifier: str) -> Sequence[str]:
    listed = _devicectl(("device", "info", "apps", "--device", identifier), "devicectl info apps")
    return [app["bundleIdentifier"] for app in listed["result"]["apps"]]


def _fetch_from_simulator(identifier: str, app: str, name: str, _: Path) -> Path:
    container = _xcrun(("simctl", "get_app_container", identifier, app, "data"), "container")
    file = Path(container.strip()) / "Documents" / name
    if not file.exists():
        raise DeviceError(f"{name} is not in the app's folder.")
    return file


def _fetch_from_phone(identifier: str, app: str, name: str, scratch: Path) -> Path:
    file = scratch / name
    _xcrun(
        (
            *("devicectl", "device", "copy", "from", "--device", identifier),
            *("--domain-type", "appDataContainer", "--domain-identifier", app),
            *("--source", f"Documents/{name}", "--destination", str(file)),
        ),
        "fetch",
    )
    return file


_SIMULATOR = _Tool(
    apps=_simulator_apps,
    launch=lambda identifier: ("simctl", "launch", "--terminate-running-process", identifier),
    fetch=_fetch_from_simulator,
)
_PHONE = _Tool(
    apps=_phone_apps,
    launch=lambda identifier: (
        *("devicectl", "device", "process", "launch", "--terminate-existing"),
        *("--device", identifier, "--"),  # what follows is the app's, dashes and all
    ),
    fetch=_fetch_from_phone,
)


def _devicectl(arguments: tuple[str, ...], what: str) -> Any:
    with TemporaryDirectory() as scratch:
        file = Path(scratch) / "answer.json"
        _xcrun(("devicectl", *arguments, "--json-output", str(file)), what)
        return json.loads(file.read_text(encoding="utf-8"))


def _xcrun(arguments: tuple[str, ...], what: str) -> str:
    return call((client("xcrun", REMEDY), *arguments), what, ANSWER_S)

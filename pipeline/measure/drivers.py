"""Which driver measures what, by the place that is asked for."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from ..base.errors import PipelineError, TargetUnavailable
from ..bundle.layout import APPS
from ..bundle.open import Bundle
from . import android, arm64, host, ios
from .host import Rules
from .record import LatencyRecord

Measure = Callable[[], LatencyRecord]


def measures(
    place: str,
    bundle: Bundle,
    targets: Sequence[str],
    rules: Rules,
    *,
    cores: Sequence[str] = (),
    serials: Sequence[str] = (),
) -> Iterator[tuple[str, Measure]]:
    """The name of every artefact and what measures it, for each core or device there is.

    Raises:
        TargetUnavailable: the place's client program is not installed.
        DeviceError: no device there is ready.
        PipelineError: an unknown core or artefact.
    """
    for target in targets:
        if target not in bundle.artifacts:
            raise PipelineError(
                f"{bundle.path}: holds no {target!r} artefact, but {', '.join(bundle.artifacts)}."
            )
    if place == "host":
        for target in targets:
            yield target, partial(host.time_artifact, bundle, target, rules)
    elif place == "arm64":
        for core in cores:
            if core not in arm64.CORES:
                raise PipelineError(f"--core {core}: choose from {', '.join(arm64.CORES)}.")
            for target in targets:
                yield target, partial(arm64.count_instructions, bundle, target, core)
    elif place == "android":
        for phone in android.devices(serials):
            for target in targets:
                carried = target in APPS[place].runs
                measure = partial(android.run_benchmark, bundle, target, phone, rules)
                yield target, measure if carried else partial(_refuse, place, target)
    else:
        for device in ios.devices(serials):
            for target in targets:
                carried = target in APPS[place].runs
                measure = partial(ios.run_benchmark, bundle, target, device, rules)
                yield target, measure if carried else partial(_refuse, place, target)


def _refuse(place: str, target: str) -> LatencyRecord:
    carried = ", ".join(APPS[place].runs)
    raise TargetUnavailable(f"{target}: the {place} app does not carry it, but {carried}.")

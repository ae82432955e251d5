"""Which driver measures what, by the place that is asked for."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from . import android, arm64, host, ios
from .host import Rules
from .record import LatencyRecord
from ..bundle.open import Bundle
from ..base.errors import PipelineError, TargetUnavailable
from ..base.progress import Track

Measure = Callable[[], LatencyRecord]
RUNTIMES = {  # that the sample apps carry
    "android": ("executorch", "tflite"),
    "ios": ("coreml", "executorch", "tflite"),
}


def measures(
    place: str,
    bundle: Bundle,
    targets: Sequence[str],
    rules: Rules,
    track: Track,
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
            yield target, partial(host.measure, bundle, target, rules, track)
    elif place == "arm64":
        for core in cores:
            if core not in arm64.CORES:
                raise PipelineError(f"--core {core}: choose from {', '.join(arm64.CORES)}.")
            for target in targets:
                yield target, partial(arm64.measure, bundle, target, core, track)
    elif place == "android":
        for phone in android.devices(serials):
            for target in targets:
                carried = target in RUNTIMES[place]
                measure = partial(android.measure, bundle, target, phone, rules, track)
                yield target, measure if carried else partial(_refuse, place, target)
    else:
        for device in ios.devices(serials):
            for target in targets:
                carried = target in RUNTIMES[place]
                measure = partial(ios.measure, bundle, target, device, rules, track)
                yield target, measure if carried else partial(_refuse, place, target)


def _refuse(place: str, target: str) -> LatencyRecord:
    carried = ", ".join(RUNTIMES[place])
    raise TargetUnavailable(f"{target}: the {place} app does not carry it, but {carried}.")

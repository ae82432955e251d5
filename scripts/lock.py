"""Write constraints.txt: what `uv pip compile` resolves for every Python and system, as one file.

Pinned versions stay where they still fit; --upgrade takes the newest ones. Needs uv
(`pip install uv`), and none of the Pythons that it resolves for.
"""

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "constraints.txt"
EXTRAS = ("train", "tflite", "executorch", "hub", "test")
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
SYSTEMS = {  # what uv calls them, by pip's marker
    "sys_platform == 'linux' and platform_machine == 'x86_64'": "x86_64-manylinux_2_28",
    "sys_platform == 'linux' and platform_machine == 'aarch64'": "aarch64-manylinux_2_28",
    "sys_platform == 'darwin'": "aarch64-apple-darwin",
}
COMPILE = ("uv", "pip", "compile", "--quiet", "--no-config", "--no-annotate", "--no-header")
HEAD = """\
# What is installed on each Python and system. Made by scripts/lock.py.
"""


def resolve(python: str, system: str, kept: str, flags: list[str]) -> dict[str, str]:
    """Version by package; uv keeps those of `kept` where they fit."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "resolved.txt"
        out.write_text(kept, encoding="utf-8")
        where = ("--python-version", python, "--python-platform", SYSTEMS[system])
        extras = [flag for extra in EXTRAS for flag in ("--extra", extra)]
        subprocess.run(  # noqa: S603
            [*COMPILE, *where, *extras, *flags, "pyproject.toml", "-o", out],
            cwd=ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "MACOSX_DEPLOYMENT_TARGET": "14.0", "UV_PYTHON_DOWNLOADS": "never"},
        )
        lines = out.read_text(encoding="utf-8").splitlines()
    return dict(line.split(" ;")[0].split("==") for line in lines if "==" in line)


def lines_of(package: str, found: dict[tuple[str, str], str]) -> list[str]:
    """A line for each version, with a marker where it does not hold everywhere."""
    if len(set(found.values())) == 1:
        return [f"{package}=={next(iter(found.values()))}"]
    by_python = {python: version for (python, _), version in found.items()}
    by_system = any(by_python[python] != version for (python, _), version in found.items())
    pythons = defaultdict[tuple[str, str], list[str]](list)
    for (python, system), version in found.items():
        pythons[version, system if by_system else ""].append(python)
    lines = []
    for (version, system), every in pythons.items():
        held = list(dict.fromkeys(every))  # each once, for all systems
        marker = f"python_version == '{held[0]}'"
        if len(held) > 1:
            marker = f"python_version >= '{held[0]}' and python_version <= '{held[-1]}'"
        marker += f" and {system}" if system else ""
        lines.append(f"{package}=={version}; {marker}")
    return lines


def main() -> None:
    """Resolve, merge, write."""
    lines = OUT.read_text(encoding="utf-8").splitlines()
    kept = "\n".join(line.split(";")[0] for line in reversed(lines))  # the first of a name counts
    found = defaultdict[str, dict[tuple[str, str], str]](dict)
    for python in PYTHONS:
        for system in SYSTEMS:
            for package, version in resolve(python, system, kept, sys.argv[1:]).items():
                found[package][python, system] = version
    lines = [line for package in sorted(found) for line in lines_of(package, found[package])]
    OUT.write_text(HEAD + "".join(f"{line}\n" for line in lines), encoding="utf-8")


main()

"""Every command in README, docs, the apps' pages and --help exists; slowly, every one runs."""

import csv
import json
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import toy
import typer.main
from peers.page import MACHINES, keep, render, this_processor

from pocketbert.app.cli.main import app
from pocketbert.measure import arm64

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
PAGES += sorted([*ROOT.glob("docs/*.md"), *ROOT.glob("*_demo/README.md")])
COMMANDS = typer.main.get_command(app).commands
OURS = re.compile(r"([A-Z]+=\S+ )?((\./)?scripts/\w|\.venv/bin/|pocketbert \w|accelerate launch)")
FENCE = re.compile(r"^```.*?\n(.*?)^```", flags=re.S | re.M)


def documented():
    """Whole commands: lines of code blocks, and the examples of --help."""
    for page in PAGES:
        for block in FENCE.findall(page.read_text(encoding="utf-8")):
            yield from (line.split("  ")[0] for line in block.splitlines() if OURS.match(line))
    for command in COMMANDS.values():
        yield re.search(r"\[bold\](.*?)\[/\]", command.epilog)[1]


def named():
    """Commands in running text, which may leave arguments out."""
    for page in PAGES:
        text = FENCE.sub("", page.read_text(encoding="utf-8"))
        yield from (code for code in re.findall(r"`([^`\n]+)`", text) if OURS.match(code))


def words(command):
    """Its words, without what echoes into it, variables and the environment's folder."""
    parts = shlex.split(command.rpartition("| ")[2])
    parts = parts[1:] if "=" in parts[0] else parts
    return [parts[0].removeprefix("./").removeprefix(".venv/bin/"), *parts[1:]]


def faults(command):
    """Why this command cannot be right, whatever its arguments are."""
    program, *rest = words(command)
    if program.startswith("scripts/"):
        files = [program, *(word for word in rest if word.startswith("tests/"))]
        return [f"there is no {file}" for file in files if not (ROOT / file).exists()]
    if program == "accelerate":
        return [] if "-m" not in rest or "pocketbert" in rest else ["it runs no pocketbert"]
    if program != "pocketbert":
        return [f"{program} is none of ours"]
    name, *flags = rest
    if name not in COMMANDS:
        return [f"pocketbert has no {name}"]
    known = {option for parameter in COMMANDS[name].params for option in parameter.opts}
    given = {flag.partition("=")[0] for flag in flags if flag.startswith("--")}
    return [f"{name} has no {flag}" for flag in sorted(given - known)]


@pytest.mark.parametrize("command", sorted({*documented(), *named()}))
def test_command_exists_with_its_flags(command):
    assert faults(command) == []


@pytest.mark.parametrize(
    "command",
    [
        "pocketbert fly",
        "pocketbert run --wings 2",
        "scripts/nowhere",
        "SEED=1 ./scripts/test tests/test_nothing.py",
        "accelerate launch -m pipeline run",
    ],
)
def test_planted_command_is_found(command):
    assert faults(command) != []


# --- Slow: each one runs, in a folder with what a reader has by then ------------------------------

# A whole search, long measuring and real training are cut short; the last of equal flags counts.
SHORT = {"search": ["--config", "toy.toml", "--budget", "20s"], "bench": ["--seconds", "1"]}
# Texts that the toy can't tell apart, or all but answers, are a matter of chance, in int8 too.
LOOSE = ["--min-agreement", "0.9", "--set", "gates.min_same_decisions=0.9"]
SHORT["run"] = ["--config", "toy.toml", *LOOSE]
SHORT["package"] = ["--max-length", "32", *LOOSE]  # the toy reads 32 tokens
ELSEWHERE = {"android": "adb", "ios": "xcrun"}  # what measures there needs


@pytest.fixture
def reader(tmp_path, toy_run, toy_config, toy_data):
    """A folder with builds, data, keys and the two apps."""
    rows = [json.loads(line) for line in toy_data.read_text(encoding="utf-8").splitlines()]
    for name in ("intents.csv", "new_requests.csv", "texts.csv"):
        with (tmp_path / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["text", "intent"])
            writer.writeheader()
            writer.writerows(rows)
    texts = toy.utterances(" ".join(toy.WORDS.values()), 50, 5)
    (tmp_path / "raw.txt").write_text("\n".join(texts), encoding="utf-8")
    shutil.copy(toy_config, tmp_path / "toy.toml")
    for name in ("build", "other-build"):
        shutil.copytree(toy_run, tmp_path / name)
    shutil.copytree(toy_run / "bundle", tmp_path / "shipped" / "bundle")
    shutil.copytree(toy_run / "student", tmp_path / "my-classifier")
    for name in ("android_demo", "ios_demo"):
        ignored = shutil.ignore_patterns("build", ".build", ".gradle")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    return tmp_path


def call(command, folder):
    return subprocess.run(
        [sys.executable, "-m", "pocketbert", *command],
        cwd=folder,
        input="turn on the lights\n",
        capture_output=True,
        text=True,
        timeout=1800,
    )


def runnable():
    """What `pocketbert` is documented to do, once each."""
    return sorted({shlex.join(words(c)) for c in documented() if words(c)[0] == "pocketbert"})


@pytest.mark.slow
@pytest.mark.parametrize("command", runnable())
def test_command_runs(command, reader):
    _, name, *rest = words(command)
    if "--key" in rest or name == "sign":
        assert call(["keygen", "keys"], reader).returncode == 0
    if "--key" in rest:
        assert call(["sign", "build/bundle", "keys/private.pem"], reader).returncode == 0
    place = rest[rest.index("--on") + 1] if "--on" in rest else ""
    if "--gate" in rest:
        call([name, *rest[: rest.index("--gate")], "--baseline", "baseline.json"], reader)
    done = call([name, *rest, *SHORT.get(name, [])], reader)
    lacking = arm64.missing() if place == "arm64" else place in ELSEWHERE
    if not lacking:
        assert done.returncode == 0, done.stdout + done.stderr
        return
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    assert ELSEWHERE.get(place, "scripts/arm64") in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "tool"), [("bench_android", "ANDROID_HOME"), ("bench_ios", "xcrun")]
)
def test_script_of_another_machine_says_so_in_one_line(script, tool):
    done = subprocess.run(
        [ROOT / "scripts" / script],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 1 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and tool in done.stderr


def test_performance_is_written_from_what_was_measured():
    measured = MACHINES.validate_json((ROOT / "docs/performance.json").read_bytes())
    page = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    assert page == render(measured), "run scripts/compare_peers; the page is not edited by hand"


def test_run_replaces_what_it_measured_alone(tmp_path):
    first, *_ = MACHINES.validate_json((ROOT / "docs/performance.json").read_bytes())
    other = replace(first, processor="other")
    keep(tmp_path, other)
    keep(tmp_path, first)
    again = replace(first.builds["nano"], day="another day")
    kept, others = keep(tmp_path, replace(first, builds={"nano": again}))
    assert kept == replace(first, builds=first.builds | {"nano": again}) and others == other


def test_processor_is_named_with_what_chooses_its_kernels(tmp_path):
    info = tmp_path / "cpuinfo"
    info.write_text("flags\t: fpu avx2 avx512f\n", encoding="utf-8")
    assert this_processor("EPYC", info) == "EPYC, AVX-512"
    info.write_text("flags\t: fpu avx2 avx512f avx512_vnni\n", encoding="utf-8")
    assert this_processor("EPYC", info) == "EPYC, AVX-512 with VNNI"


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "scripts/fuzz {build}/bundle --files 20 --texts 20",
        "scripts/kills --kills 1",
        "scripts/compare_peers {build} --data {data} --docs {folder}",
    ],
)
def test_script_runs(command, toy_all, toy_data, tmp_path):
    filled = shlex.split(command.format(build=toy_all, data=toy_data, folder=tmp_path))
    done = subprocess.run(filled, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def toy_all(tmp_path_factory, toy_config):
    """A toy build with every target."""
    folder = tmp_path_factory.mktemp("all")
    settings = re.sub(r"^targets.*\n", "", toy_config.read_text(encoding="utf-8"), flags=re.M)
    (folder / "toy.toml").write_text(settings, encoding="utf-8")
    done = call(["run", "--config", "toy.toml"], folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "build"

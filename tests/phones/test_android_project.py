"""The Android app without Android: resources, API symbols, versions, the syntax of its screens."""

import ast
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import extras
import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "android_demo"
MAIN = DEMO / "app" / "src" / "main"
KOTLIN = sorted((MAIN / "kotlin").rglob("*.kt"))
SHIPPED = [*KOTLIN, *DEMO.glob("runtime-*/src/main/**/*.kt")]
FRAMEWORK = Path("/usr/share/android-framework-res/framework-res.apk")  # of API 29
LATER = r'\s+android:enableOnBackInvokedCallback="true"'  # of API 33; members() knows no attributes
LINES = 300  # of a file


def text(files):
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def catalog():
    return tomllib.loads((DEMO / "gradle" / "libs.versions.toml").read_text(encoding="utf-8"))


# --- Versions ------------------------------------------------------------------------------------


def test_runtimes_are_those_that_exported():
    pinned = catalog()["versions"]
    assert pinned["executorch"] == version("executorch")
    assert pinned["litert"] == version("ai-edge-litert")
    for name in ("executorch", "litert"):
        (adapter,) = DEMO.glob(f"runtime-{name}/src/main/**/*.kt")
        assert f'const val VERSION: String = "{pinned[name]}"' in adapter.read_text(
            encoding="utf-8"
        )


def test_builds_take_every_library_from_the_catalog():
    known = catalog()
    builds = [*DEMO.rglob("*.gradle.kts")]
    used = set(re.findall(r"libs\.(?!versions)([a-z0-9.]+)", text(builds)))
    names = {f"plugins.{name}" for name in known["plugins"]} | set(known["libraries"])
    assert {name.replace("-", ".") for name in names} == used
    assert not re.findall(r'"[\w.]+:[\w-]+:\d', text(builds))


def test_app_without_a_bundle_builds_and_names_what_to_run():
    build = (DEMO / "app" / "build.gradle.kts").read_text(encoding="utf-8")
    assert "assets" not in build and "GradleException" not in build
    (source,) = (file for file in KOTLIN if file.name == "DemoApplication.kt")
    said = re.sub(r'"\s*\+\s*"', "", source.read_text(encoding="utf-8"))
    assert "pocketbert install build/bundle android_demo" in said


def test_release_is_what_is_measured_and_takes_the_rules_it_needs():
    build = (DEMO / "app" / "build.gradle.kts").read_text(encoding="utf-8")
    release = build.split("release {")[1]
    assert "isMinifyEnabled = true" in release and 'getByName("debug")' in release
    assert 'android:shell="true"' in (MAIN / "AndroidManifest.xml").read_text(encoding="utf-8")
    assert ":app:installRelease" in (ROOT / "scripts" / "bench_android").read_text(encoding="utf-8")
    # What the libraries' native code looks up by name, and their own rules do not keep.
    kept = {"executorch": ("com.facebook.jni.**",), "litert": ("LiteRtException", "TensorType$*")}
    for name, classes in kept.items():
        module = DEMO / f"runtime-{name}"
        build = (module / "build.gradle.kts").read_text(encoding="utf-8")
        assert 'consumerProguardFiles("consumer-rules.pro")' in build
        rules = (module / "consumer-rules.pro").read_text(encoding="utf-8")
        assert all(re.search(rf"^-keep class .*{re.escape(one)} ", rules, re.M) for one in classes)


def test_sdk_is_one_that_google_play_takes():
    builds = text(DEMO.rglob("*.gradle.kts"))
    levels = set(re.findall(r"(?:compileSdk|targetSdk) = (\d+)", builds))
    assert levels == {"36"}


def test_distribution_of_gradle_is_checked():
    file = DEMO / "gradle" / "wrapper" / "gradle-wrapper.properties"
    assert re.search(r"^distributionSha256Sum=[0-9a-f]{64}$", file.read_text(), re.MULTILINE)


def test_wrapper_is_whole():
    for name in ("gradlew", "gradlew.bat", "gradle/wrapper/gradle-wrapper.jar"):
        assert (DEMO / name).stat().st_size > 1000
    assert shutil.which(str(DEMO / "gradlew"))  # executable


def test_files_stay_small():
    core = DEMO.glob("core/src/main/**/*.kt")
    long = {file.name: len(text([file]).splitlines()) for file in (*SHIPPED, *core)}
    assert {name: lines for name, lines in long.items() if lines > LINES} == {}


# --- Resources -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def linked(tmp_path_factory):
    """What aapt2 makes of manifest and resources: R.java, and the package."""
    if shutil.which("aapt2") is None or not FRAMEWORK.exists():
        extras.not_run("no aapt2 here; scripts/android sets it up", extra="android")
    folder = tmp_path_factory.mktemp("aapt")

    def link(resources=MAIN / "res", manifest=MAIN / "AndroidManifest.xml"):
        # Gradle knows the package as its namespace; aapt2 wants it in the manifest.
        source = manifest.read_text(encoding="utf-8")
        named = source.replace("<manifest", '<manifest package="org.pocketbert.demo"', 1)
        named = re.sub(LATER, "", named)
        (folder / "AndroidManifest.xml").write_text(named, encoding="utf-8")
        done = subprocess.run(
            ["aapt2", "compile", "--dir", resources, "-o", folder / "res.zip"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        options = ["--min-sdk-version", "26", "--target-sdk-version", "36", "--auto-add-overlay"]
        return subprocess.run(
            [
                *("aapt2", "link", "-I", FRAMEWORK, "--manifest", folder / "AndroidManifest.xml"),
                *("-o", folder / "app.apk", "--java", folder, *options, folder / "res.zip"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )

    return folder, link


def test_manifest_and_resources_link(linked):
    folder, link = linked
    done = link()
    assert done.returncode == 0, done.stderr
    java = (folder / "org/pocketbert/demo/R.java").read_text(encoding="utf-8")
    for kind, others in (("string", {"app_name"}), ("plurals", set())):
        made = set(re.findall(r"int (\w+)=", java.split(f"class {kind}")[1].split("}")[0]))
        assert made == set(re.findall(rf"R\.{kind}\.(\w+)", text(KOTLIN))) | others


def texts(folder):
    """Every text of a language by its name, and by its quantity where it has several."""
    found = {}
    for node in ElementTree.parse(MAIN / "res" / folder / "strings.xml").getroot():
        if node.get("translatable") == "false":
            continue
        for item in [node, *node]:
            if item.text and item.text.strip():
                found[node.get("name"), item.get("quantity")] = item.text
    return found


def test_every_text_has_its_translation_with_the_same_values():
    english, german = texts("values"), texts("values-de")
    assert english.keys() == german.keys()
    values = re.compile(r"%(?:\d\$)?[.\d]*[a-z%]")
    for name, said in english.items():
        assert sorted(values.findall(said)) == sorted(values.findall(german[name])), name


def test_planted_reference_to_nothing_is_caught(linked, tmp_path):
    source = (MAIN / "AndroidManifest.xml").read_text(encoding="utf-8")
    (tmp_path / "AndroidManifest.xml").write_text(source.replace("Theme.Demo", "Theme.None"))
    done = linked[1](manifest=tmp_path / "AndroidManifest.xml")
    assert done.returncode != 0 and "Theme.None" in done.stderr


def test_activities_of_the_manifest_exist():
    manifest = (MAIN / "AndroidManifest.xml").read_text(encoding="utf-8")
    for name in re.findall(r'<activity\s+android:name="\.(\w+)"', manifest):
        assert (MAIN / "kotlin/org/pocketbert/demo" / f"{name}.kt").exists()
    (application,) = re.findall(r'<application\s+android:name="\.(\w+)"', manifest)
    assert (MAIN / "kotlin/org/pocketbert/demo" / f"{application}.kt").exists()
    # ExecuTorch's library would have the app be its own test's target.
    assert re.search(r'<instrumentation[^>]*tools:node="remove"', manifest)
    asked = re.findall(r"<uses-permission([^>]*)>", manifest)
    assert all('tools:node="remove"' in one for one in asked)
    assert any("permission.INTERNET" in one for one in asked)  # nothing leaves the phone


# --- Android's own API ---------------------------------------------------------------------------

# Members of Android's classes that the app uses; a property of Kotlin is a getter or a field.
MEMBERS = {
    "android.app.Activity": {
        *("onCreate", "onStop", "getWindow", "getIntent", "getApplication"),
        *("startActivity", "isChangingConfigurations"),
    },
    "android.app.ActivityManager": {"getHistoricalProcessExitReasons"},
    "android.app.Application": {"onCreate"},
    "android.app.ApplicationExitInfo": {
        *("getReason", "REASON_CRASH", "REASON_CRASH_NATIVE", "REASON_SIGNALED"),
        "REASON_INITIALIZATION_FAILURE",
    },
    "android.content.Context": {
        *("getCacheDir", "getDataDir", "getAssets", "getApplicationInfo", "getContentResolver"),
        *(
            "getPackageManager",
            "getPackageName",
            "getSystemService",
            "getString",
            "getApplicationContext",
            "BATTERY_SERVICE",
        ),
        *("ACTIVITY_SERVICE", "POWER_SERVICE"),
    },
    "android.content.ContentResolver": {"openInputStream"},
    "android.content.Intent": {
        *("getStringExtra", "getIntExtra", "getFloatExtra", "setType", "putExtra"),
        *("createChooser", "ACTION_SEND", "EXTRA_TEXT"),
    },
    "android.content.pm.PackageManager": {"getPackageInfo"},
    "android.content.pm.PackageInfo": {"versionName", "lastUpdateTime"},
    "android.content.pm.ApplicationInfo": {"flags", "FLAG_DEBUGGABLE"},
    "android.content.res.AssetManager": {"list", "open"},
    "android.os.BatteryManager": {"isCharging"},
    "android.os.Build": {
        *("HARDWARE", "MODEL", "MANUFACTURER", "PRODUCT", "FINGERPRINT"),
        *("SOC_MANUFACTURER", "SOC_MODEL"),
    },
    "android.os.Build.VERSION": {"RELEASE", "SDK_INT"},
    "android.os.Build.VERSION_CODES": {"Q", "R", "S"},
    "android.os.PowerManager": {
        *("getCurrentThermalStatus", "isPowerSaveMode", "isSustainedPerformanceModeSupported"),
    },
    "android.text.format.DateUtils": {"formatDateTime", "FORMAT_SHOW_DATE", "FORMAT_SHOW_TIME"},
    "android.util.Log": {"e"},
    "android.view.View": {"setKeepScreenOn"},
    "android.view.Window": {"addFlags", "setSustainedPerformanceMode"},
    "android.view.WindowManager.LayoutParams": {"FLAG_KEEP_SCREEN_ON"},
}


def members(name):
    """Names that the stubs of Android's API give the class, its parents not asked."""
    package, *inner = re.split(r"\.(?=[A-Z])", name)
    stubs = Path(find_spec("android-stubs").submodule_search_locations[0])
    tree = ast.parse((stubs.joinpath(*package.split(".")[1:]) / "__init__.pyi").read_text())
    body = tree.body
    for part in inner:
        (found,) = (node for node in body if isinstance(node, ast.ClassDef) and node.name == part)
        body = found.body
    fields = {node.target.id for node in body if isinstance(node, ast.AnnAssign)}
    return fields | {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}


@pytest.mark.parametrize("name", MEMBERS)
def test_android_members_exist(name):
    assert MEMBERS[name] <= members(name)


def test_android_classes_exist():
    imported = set(re.findall(r"^import (android\.[\w.]+)", text(SHIPPED), re.MULTILINE))
    assert imported and all(members(name) for name in imported)
    assert imported <= set(MEMBERS) | {
        *("android.os.Bundle", "android.net.Uri", "android.view.WindowManager"),
        "android.content.ActivityNotFoundException",
    }


def test_planted_class_that_android_lacks_is_caught():
    with pytest.raises(ValueError, match="not enough values to unpack"):
        members("android.content.Kontext")


# --- Kotlin over AndroidX ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def complaints(tmp_path_factory):
    """Lines of kotlinc about sources whose AndroidX is not here."""
    kotlinc = ROOT / ".android/node_modules/kotlin-compiler/bin/kotlinc"
    if not kotlinc.exists():
        extras.not_run("no Kotlin compiler; scripts/android fetches it", extra="android")
    classpath = (ROOT / ".android/classpath").read_text(encoding="utf-8").strip()
    classes = ":".join(f"{ROOT}/.android/classes/{part}" for part in ("library", "doubles"))
    out = tmp_path_factory.mktemp("kotlin")

    def compile_(*files):
        done = subprocess.run(
            [kotlinc, "-no-reflect", "-cp", f"{classes}:{classpath}", "-d", out, *files],
            capture_output=True,
            text=True,
            check=False,
        )
        lines = done.stderr.splitlines()
        return [(line, lines[at + 1]) for at, line in enumerate(lines[:-1]) if ": error: " in line]

    return compile_


def ours(complaints):
    """Errors of syntax, and references to our own code that lead nowhere; Gradle generates R."""
    return [
        error
        for error, source in complaints
        if "syntax error" in error
        or ("import org.pocketbert" in source and not source.endswith(".demo.R"))
    ]


def test_screens_parse_and_import_what_core_has(complaints):
    found = complaints(*KOTLIN)
    assert found, "AndroidX is here now: compile for good"
    assert ours(found) == []


def test_planted_mistakes_are_caught(complaints, tmp_path):
    source = (MAIN / "kotlin/org/pocketbert/demo/ui/LatencySheet.kt").read_text(encoding="utf-8")
    (tmp_path / "Syntax.kt").write_text(source.replace("if (cost == null) {", "if cost {", 1))
    assert any("syntax error" in error for error in ours(complaints(tmp_path / "Syntax.kt")))
    (tmp_path / "Name.kt").write_text(source.replace("core.Latency", "core.Latent", 1))
    assert any("Latent" in error for error in ours(complaints(tmp_path / "Name.kt")))

"""Make ios_demo/ChatDemo.xcodeproj of ios_demo/project.yml where XcodeGen does not run.

XcodeGen needs a Mac, and a double-click needs a project in the repository. This writes what
Xcode 16 reads (objects of version 77, folders that follow the disk), as XML and always the same
for the same project.yml; XcodeGen may write over it. A key of the project or of a
target that it does not know is an error.
"""

import hashlib
import plistlib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import yaml

DEMO = Path(__file__).parent.parent / "ios_demo"
Fields = dict[str, Any]

PRODUCTS = {
    "application": ("com.apple.product-type.application", "wrapper.application", "app"),
    "bundle.unit-test": ("com.apple.product-type.bundle.unit-test", "wrapper.cfbundle", "xctest"),
}
# What XcodeGen sets by itself, as far as it is needed.
COMMON = {
    "SDKROOT": "iphoneos",
    "TARGETED_DEVICE_FAMILY": "1,2",
    "CODE_SIGN_STYLE": "Automatic",
    "CLANG_ENABLE_MODULES": "YES",
    "LD_RUNPATH_SEARCH_PATHS": ["$(inherited)", "@executable_path/Frameworks"],
}
CONFIGURATIONS = {
    "Debug": {
        "SWIFT_OPTIMIZATION_LEVEL": "-Onone",
        "SWIFT_ACTIVE_COMPILATION_CONDITIONS": "DEBUG",
        "GCC_OPTIMIZATION_LEVEL": "0",
        "ONLY_ACTIVE_ARCH": "YES",
        "DEBUG_INFORMATION_FORMAT": "dwarf",
    },
    "Release": {
        "SWIFT_OPTIMIZATION_LEVEL": "-O",
        "SWIFT_COMPILATION_MODE": "wholemodule",
        "DEBUG_INFORMATION_FORMAT": "dwarf-with-dsym",
        "VALIDATE_PRODUCT": "YES",
    },
}
DEBUGGER = {
    "selectedDebuggerIdentifier": "Xcode.DebuggerFoundation.Debugger.LLDB",
    "selectedLauncherIdentifier": "Xcode.DebuggerFoundation.Launcher.LLDB",
}
KNOWN = {
    "project": {"name", "options", "settings", "packages", "targets", "schemes"},
    "target": {
        *("type", "platform", "sources", "dependencies", "preBuildScripts", "settings"),
    },
}


class Project:
    """The objects of a project file, each under an id made of what it is."""

    def __init__(self, spec: Fields) -> None:
        self.spec = spec
        self.name = spec["name"]
        self.objects: dict[str, Fields] = {}
        _only(spec, "project")

    def add(self, isa: str, key: str, **fields: Any) -> str:
        """Add an object, and give its id."""
        identity = self.id(isa, key)
        self.objects[identity] = {"isa": isa, **fields}
        return identity

    @staticmethod
    def id(isa: str, key: str) -> str:
        """The id of an object: 24 hexadecimal digits, the same in every run."""
        return hashlib.sha256(f"{isa} {key}".encode()).hexdigest()[:24].upper()

    def make(self) -> Fields:
        """The project file, as a property list."""
        packages = [self._package(name, at) for name, at in self.spec["packages"].items()]
        targets = [self._target(name, at) for name, at in self.spec["targets"].items()]
        products = self.add(
            "PBXGroup",
            "Products",
            children=[self.objects[target]["productReference"] for target in targets],
            name="Products",
            sourceTree="<group>",
        )
        kinds = {"PBXFileSystemSynchronizedRootGroup", "PBXFileReference"}
        shown = [
            identity
            for identity, one in self.objects.items()
            if one["isa"] in kinds and one["sourceTree"] != "BUILT_PRODUCTS_DIR"
        ]
        main = self.add("PBXGroup", "main", children=[*shown, products], sourceTree="<group>")
        version = self.spec["options"]["deploymentTarget"]["iOS"]
        settings = {**COMMON, "IPHONEOS_DEPLOYMENT_TARGET": version}
        root = self.add(
            "PBXProject",
            self.name,
            attributes={"BuildIndependentTargetsInParallel": "YES", "LastUpgradeCheck": "1600"},
            buildConfigurationList=self._configurations(
                "project", {**settings, **self.spec["settings"]["base"]}, CONFIGURATIONS
            ),
            developmentRegion="en",
            knownRegions=["en", "Base"],
            mainGroup=main,
            packageReferences=packages,
            preferredProjectObjectVersion="77",
            productRefGroup=products,
            projectDirPath="",
            projectRoot="",
            targets=targets,
        )
        return {
            "archiveVersion": "1",
            "classes": {},
            "objectVersion": "77",
            "objects": dict(sorted(self.objects.items())),
            "rootObject": root,
        }

    def _configurations(self, key: str, settings: Fields, own: dict[str, Fields]) -> str:
        made = [
            self.add(
                "XCBuildConfiguration",
                f"{key} {name}",
                name=name,
                buildSettings={**_words(settings), **own[name]},
            )
            for name in CONFIGURATIONS
        ]
        return self.add(
            "XCConfigurationList",
            key,
            buildConfigurations=made,
            defaultConfigurationIsVisible="0",
            defaultConfigurationName="Release",
        )

    def _package(self, name: str, at: Fields) -> str:
        if "path" in at:
            return self.add("XCLocalSwiftPackageReference", name, relativePath=at["path"])
        return self.add(
            "XCRemoteSwiftPackageReference",
            name,
            repositoryURL=at["url"],
            requirement={"kind": "branch", "branch": at["branch"]},
        )

    def _target(self, name: str, at: Fields) -> str:
        _only(at, "target")
        product, kind, suffix = PRODUCTS[at["type"]]
        groups, resources = self._sources(name, at["sources"])
        links, targets = self._dependencies(name, at["dependencies"])
        settings = dict(at["settings"]["base"])
        if targets:  # tests run inside the app
            host = self.spec["targets"][targets[0]]["settings"]["base"]["PRODUCT_NAME"]
            settings |= {
                "BUNDLE_LOADER": "$(TEST_HOST)",
                "PRODUCT_BUNDLE_IDENTIFIER": f"{self.spec['options']['bundleIdPrefix']}.{name}",
                "PRODUCT_NAME": name,
                "TEST_HOST": f"$(BUILT_PRODUCTS_DIR)/{host}.app/{host}",
            }
        phases = [self._script(name, script) for script in at.get("preBuildScripts", [])]
        for isa, files in (
            ("PBXSourcesBuildPhase", []),
            ("PBXFrameworksBuildPhase", links),
            ("PBXResourcesBuildPhase", resources),
        ):
            phases.append(self.add(isa, name, files=files, runOnlyForDeploymentPostprocessing="0"))
        return self.add(
            "PBXNativeTarget",
            name,
            buildConfigurationList=self._configurations(
                name, settings, {key: {} for key in CONFIGURATIONS}
            ),
            buildPhases=phases,
            buildRules=[],
            dependencies=[self._target_dependency(name, other) for other in targets],
            fileSystemSynchronizedGroups=groups,
            name=name,
            packageProductDependencies=[self.objects[link]["productRef"] for link in links],
            productName=name,
            productReference=self.add(
                "PBXFileReference",
                f"product {name}",
                explicitFileType=kind,
                includeInIndex="0",
                path=f"{name}.{suffix}",
                sourceTree="BUILT_PRODUCTS_DIR",
            ),
            productType=product,
        )

    def _sources(self, target: str, sources: list[Any]) -> tuple[list[str], list[str]]:
        """Folders that Xcode compiles, and those that it copies as they are."""
        groups, resources = [], []
        for source in sources:
            path = source if isinstance(source, str) else source["path"]
            if isinstance(source, dict) and source.get("buildPhase") == "resources":
                folder = self.add(
                    "PBXFileReference",
                    path,
                    lastKnownFileType="folder",
                    path=path,
                    sourceTree="<group>",
                )
                resources.append(self.add("PBXBuildFile", f"{target} {path}", fileRef=folder))
            else:
                groups.append(
                    self.add(
                        "PBXFileSystemSynchronizedRootGroup",
                        path,
                        path=path,
                        sourceTree="<group>",
                    )
                )
        return groups, resources

    def _dependencies(self, target: str, wanted: list[Fields]) -> tuple[list[str], list[str]]:
        """Products of packages that `target` links, and the targets that it needs."""
        links, targets = [], []
        for one in wanted:
            if "target" in one:
                targets.append(one["target"])
                continue
            name = one["package"]
            local = "path" in self.spec["packages"][name]
            kind = f"XC{'Local' if local else 'Remote'}SwiftPackageReference"
            for product in one.get("products", [name]):
                dependency = self.add(
                    "XCSwiftPackageProductDependency",
                    f"{target} {product}",
                    package=self.id(kind, name),
                    productName=product,
                )
                links.append(self.add("PBXBuildFile", f"{target} {product}", productRef=dependency))
        return links, targets

    def _target_dependency(self, target: str, other: str) -> str:
        proxy = self.add(
            "PBXContainerItemProxy",
            f"{target} {other}",
            containerPortal=self.id("PBXProject", self.name),
            proxyType="1",
            remoteGlobalIDString=self.id("PBXNativeTarget", other),
            remoteInfo=other,
        )
        return self.add(
            "PBXTargetDependency",
            f"{target} {other}",
            target=self.id("PBXNativeTarget", other),
            targetProxy=proxy,
        )

    def _script(self, target: str, script: Fields) -> str:
        return self.add(
            "PBXShellScriptBuildPhase",
            f"{target} {script['name']}",
            alwaysOutOfDate="0" if script["basedOnDependencyAnalysis"] else "1",
            files=[],
            inputPaths=[],
            name=script["name"],
            outputPaths=[],
            runOnlyForDeploymentPostprocessing="0",
            shellPath="/bin/sh",
            shellScript=script["script"],
        )

    def scheme(self, name: str) -> str:
        """The shared scheme: what is built, and in which configuration it runs and is tested."""
        at = self.spec["schemes"][name]
        root = ElementTree.Element("Scheme", LastUpgradeVersion="1600", version="1.7")
        build = ElementTree.SubElement(
            root, "BuildAction", parallelizeBuildables="YES", buildImplicitDependencies="YES"
        )
        entries = ElementTree.SubElement(build, "BuildActionEntries")
        for target, uses in at["build"]["targets"].items():
            every = "YES" if uses == "all" else "NO"
            entry = ElementTree.SubElement(
                entries,
                "BuildActionEntry",
                buildForTesting="YES",
                buildForRunning=every,
                buildForProfiling=every,
                buildForArchiving=every,
                buildForAnalyzing=every,
            )
            self._reference(entry, target)
        configuration = at["test"]["config"]
        test = ElementTree.SubElement(
            root,
            "TestAction",
            buildConfiguration=configuration,
            shouldUseLaunchSchemeArgsEnv="YES",
            **DEBUGGER,
        )
        testables = ElementTree.SubElement(test, "Testables")
        for target in at["test"]["targets"]:
            testable = ElementTree.SubElement(testables, "TestableReference", skipped="NO")
            self._reference(testable, target)
        launch = ElementTree.SubElement(
            root, "LaunchAction", buildConfiguration=at["run"]["config"], **DEBUGGER
        )
        self._reference(ElementTree.SubElement(launch, "BuildableProductRunnable"), name)
        ElementTree.SubElement(root, "ArchiveAction", buildConfiguration="Release")
        ElementTree.indent(root)
        return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"

    def _reference(self, parent: ElementTree.Element, target: str) -> None:
        suffix = PRODUCTS[self.spec["targets"][target]["type"]][2]
        ElementTree.SubElement(
            parent,
            "BuildableReference",
            BuildableIdentifier="primary",
            BlueprintIdentifier=self.id("PBXNativeTarget", target),
            BuildableName=f"{target}.{suffix}",
            BlueprintName=target,
            ReferencedContainer=f"container:{self.name}.xcodeproj",
        )


def _only(at: Fields, what: str) -> None:
    if strange := sorted(set(at) - KNOWN[what]):
        raise SystemExit(f"project.yml: {what} has {', '.join(strange)}, not known here")


def _words(settings: Fields) -> Fields:
    """Build settings as Xcode writes them: words, lists of words, YES and NO."""

    def word(value: object) -> object:
        if isinstance(value, bool):
            return "YES" if value else "NO"
        return value if isinstance(value, list) else str(value)

    return {key: word(value) for key, value in settings.items()}


def files(spec: Fields) -> dict[str, str]:
    """The files of the project, by their paths under ios_demo."""
    project = Project(spec)
    folder = f"{project.name}.xcodeproj"
    made = {f"{folder}/project.pbxproj": plistlib.dumps(project.make()).decode()}
    for name in spec["schemes"]:
        made[f"{folder}/xcshareddata/xcschemes/{name}.xcscheme"] = project.scheme(name)
    return made


if __name__ == "__main__":
    spec = yaml.safe_load((DEMO / "project.yml").read_text(encoding="utf-8"))
    for path, content in files(spec).items():
        (DEMO / path).parent.mkdir(parents=True, exist_ok=True)
        (DEMO / path).write_text(content, encoding="utf-8")

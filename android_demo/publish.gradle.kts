// Applied by the modules that other apps take: `./gradlew publish` puts them, with their sources,
// into the folder build/maven, a Maven repository.
apply(plugin = "maven-publish")

extensions.configure<PublishingExtension> {
    repositories.maven {
        name = "folder"
        url = uri(rootDir.resolve("build/maven"))
    }
    publications.register<MavenPublication>("library") {
        artifactId = "pocketbert-${project.name}"
        pom {
            name = "pocketbert-${project.name}"
            description = "Opens a pocketbert bundle and answers on the device."
            licenses {
                license {
                    name = "Apache-2.0"
                    url = "https://www.apache.org/licenses/LICENSE-2.0"
                }
            }
        }
    }
}

// The Android plugin makes its component late.
afterEvaluate {
    val component = components.findByName("release") ?: components.getByName("java")
    extensions.getByType<PublishingExtension>().publications
        .named<MavenPublication>("library") { from(component) }
}

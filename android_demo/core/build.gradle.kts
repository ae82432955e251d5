plugins {
    alias(libs.plugins.kotlin.jvm)
}

kotlin {
    jvmToolchain(17)
    compilerOptions.allWarningsAsErrors = true
}

dependencies {
    implementation(libs.gson)
    implementation(libs.coroutines)
    testImplementation(libs.gson)
    testImplementation(libs.junit)
    testRuntimeOnly(libs.junit.launcher)
}

// With the bundle that `pocketbert install` put into the app's assets, and `-Pstrings=FILE` of
// tests/phone_cases.py; tests that lack theirs say so and are not run.
tasks.test {
    useJUnitPlatform()
    val bundle = rootDir.resolve("app/src/main/assets/bundle")
    systemProperty("pocketbert.bundle", bundle.path)
    inputs.files(fileTree(bundle)).withPathSensitivity(PathSensitivity.RELATIVE)
    providers.gradleProperty("strings").orNull?.let {
        systemProperty("pocketbert.strings", it)
        inputs.file(it)
    }
}

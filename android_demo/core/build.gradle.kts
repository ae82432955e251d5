import org.jetbrains.kotlin.gradle.dsl.JvmTarget
import org.jetbrains.kotlin.gradle.tasks.KotlinJvmCompile

plugins {
    alias(libs.plugins.kotlin.jvm)
}
apply(from = "../publish.gradle.kts")

java {
    sourceCompatibility = JavaVersion.VERSION_1_8
    targetCompatibility = JavaVersion.VERSION_1_8
    withSourcesJar()
}

kotlin {
    explicitApi()
    compilerOptions {
        jvmTarget = JvmTarget.JVM_1_8
        allWarningsAsErrors = true
    }
}

// Of the JDK nothing later than 8: API 26 has no more, and no lint looks at a module like this.
tasks.named<KotlinJvmCompile>("compileKotlin") {
    compilerOptions.freeCompilerArgs.add("-Xjdk-release=8")
}

dependencies {
    implementation(libs.gson)
    implementation(libs.coroutines)
    testImplementation(libs.gson)
    testImplementation(libs.junit)
    testRuntimeOnly(libs.junit.launcher)
}

// With the bundle that `pocketbert install` put into the app's assets, the list of bad bundles, and
// `-Pstrings=FILE` of tests/phone_cases.py and `-Planguages=FOLDER` of tests/phone_languages.py; tests
// that lack theirs say so and are not run.
tasks.test {
    useJUnitPlatform()
    val bundle = rootDir.resolve("app/src/main/assets/bundle")
    val bad = rootDir.resolve("../tests/bad_bundles.json")
    systemProperty("pocketbert.bundle", bundle.path)
    systemProperty("pocketbert.bad", bad.path)
    inputs.files(fileTree(bundle), bad).withPathSensitivity(PathSensitivity.RELATIVE)
    providers.gradleProperty("strings").orNull?.let {
        systemProperty("pocketbert.strings", it)
        inputs.file(it)
    }
    providers.gradleProperty("languages").orNull?.let {
        systemProperty("pocketbert.languages", it)
        inputs.dir(it)
    }
}

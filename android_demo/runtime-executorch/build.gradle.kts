plugins {
    alias(libs.plugins.android.library)
}
apply(from = "../publish.gradle.kts")

android {
    namespace = "org.pocketbert.executorch"
    compileSdk = 36
    defaultConfig {
        minSdk = 26
        consumerProguardFiles("consumer-rules.pro")
    }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
    publishing.singleVariant("release") { withSourcesJar() }
}

kotlin.compilerOptions.freeCompilerArgs.add("-Xexplicit-api=strict")

// Emulators on Macs with an M4 die in the kernels for SME2; for them there is a library without:
// -PexecutorchArtifact=executorch-android-xnnpack-no-sme2
val artifact: String =
    providers.gradleProperty("executorchArtifact").getOrElse("executorch-android")

dependencies {
    api(project(":core"))
    implementation("org.pytorch:$artifact:${libs.versions.executorch.get()}")
}

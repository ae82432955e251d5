plugins {
    alias(libs.plugins.android.application)
    alias(libs.plugins.kotlin.android)
    alias(libs.plugins.kotlin.compose)
}

android {
    namespace = "org.pocketbert.demo"
    compileSdk = 35
    defaultConfig {
        applicationId = "org.pocketbert.demo"
        minSdk = 26
        targetSdk = 35
        versionCode = 1
        versionName = "0.1.0"
        // Phones, and emulators on a PC; the runtimes bring no others.
        ndk.abiFilters += listOf("arm64-v8a", "x86_64")
    }
    buildFeatures.compose = true
    // Stored, so that they are mapped from the APK; the plugin aligns them to 16 KB pages.
    packaging.jniLibs.useLegacyPackaging = false
    androidResources.noCompress += listOf("pte", "tflite")
}

kotlin.jvmToolchain(17)

dependencies {
    implementation(project(":core"))
    implementation(project(":runtime-executorch"))
    implementation(project(":runtime-litert"))
    implementation(libs.coroutines.android)
    implementation(platform(libs.compose.bom))
    implementation(libs.compose.material3)
    implementation(libs.compose.tooling.preview)
    implementation(libs.activity.compose)
    implementation(libs.lifecycle.viewmodel)
    implementation(libs.lifecycle.runtime)
    debugImplementation(libs.compose.tooling)
}

val checkBundle by tasks.registering {
    val manifest = layout.projectDirectory.file("src/main/assets/bundle/manifest.json").asFile
    doLast {
        if (!manifest.exists()) {
            throw GradleException(
                "No bundle in the app. In the repository's root: pocketbert install " +
                    "build/bundle android_demo (./scripts/demo makes build/bundle)",
            )
        }
    }
}
tasks.named("preBuild") { dependsOn(checkBundle) }

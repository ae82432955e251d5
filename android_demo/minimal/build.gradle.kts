plugins {
    alias(libs.plugins.android.application)
}

android {
    namespace = "org.pocketbert.minimal"
    compileSdk = 36
    defaultConfig {
        applicationId = "org.pocketbert.minimal"
        minSdk = 26
        targetSdk = 36
        versionCode = 1
        versionName = "0.1.0"
        ndk.abiFilters += listOf("arm64-v8a", "x86_64")
    }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
    // The bundle that `pocketbert install` put into the full app.
    sourceSets.getByName("main").assets.srcDir("../app/src/main/assets")
}

// In an app of your own: org.pocketbert's pocketbert-runtime-litert, from build/maven.
dependencies {
    implementation(project(":runtime-litert"))
}

plugins {
    alias(libs.plugins.android.library)
}
apply(from = "../publish.gradle.kts")

android {
    namespace = "org.pocketbert.litert"
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

dependencies {
    api(project(":core"))
    implementation(libs.litert) {
        // Play's AI packs, for models that are downloaded: this one is in the app.
        exclude(group = "com.google.android.play", module = "ai-delivery")
    }
}

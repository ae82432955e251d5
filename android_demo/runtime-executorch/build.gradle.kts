plugins {
    alias(libs.plugins.android.library)
    alias(libs.plugins.kotlin.android)
}

android {
    namespace = "org.pocketbert.executorch"
    compileSdk = 35
    defaultConfig.minSdk = 26
}

kotlin.jvmToolchain(17)

dependencies {
    api(project(":core"))
    implementation(libs.executorch)
}

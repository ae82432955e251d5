plugins {
    alias(libs.plugins.android.application)
    alias(libs.plugins.kotlin.compose)
}

android {
    namespace = "org.pocketbert.demo"
    compileSdk = 36
    defaultConfig {
        applicationId = "org.pocketbert.demo"
        minSdk = 26
        targetSdk = 36
        versionCode = 1
        versionName = "0.1.0"
        testInstrumentationRunner = "androidx.test.runner.AndroidJUnitRunner"
        // Phones, and emulators on a PC; the runtimes bring no others.
        ndk.abiFilters += listOf("arm64-v8a", "x86_64")
    }
    buildTypes {
        release {
            isMinifyEnabled = true
            isShrinkResources = true
            proguardFiles(getDefaultProguardFile("proguard-android-optimize.txt"))
            // So that everyone may build, install and measure what ships. Yours is another key.
            signingConfig = signingConfigs.getByName("debug")
        }
    }
    buildFeatures.compose = true
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
    // Stored, so that they are mapped from the APK; the plugin aligns them to 16 KB pages.
    packaging.jniLibs.useLegacyPackaging = false
    androidResources.generateLocaleConfig = true
}

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
    implementation(libs.profileinstaller)
    debugImplementation(libs.compose.tooling)
    debugImplementation(libs.compose.test.manifest)
    androidTestImplementation(platform(libs.compose.bom))
    androidTestImplementation(libs.compose.test)
    androidTestImplementation(libs.test.ext)
    androidTestImplementation(libs.test.runner)
}

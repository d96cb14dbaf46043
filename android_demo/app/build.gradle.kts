plugins {
    alias(libs.plugins.android.application)
}

android {
    namespace = "dev.edgekit.demo"
    compileSdk = 36
    // all of it is Java; Kotlin's library would only add to the package
    enableKotlin = false

    defaultConfig {
        applicationId = "dev.edgekit.demo"
        // java.nio.file, which core reads with, came with 26
        minSdk = 26
        targetSdk = 36
        versionCode = 1
        versionName = "1.0"
        ndk {
            // phones and emulators of today; each more costs 15 to 30 MB of libraries
            abiFilters += listOf("arm64-v8a", "x86_64")
        }
    }

    androidResources {
        // weights hardly shrink, and stored files are copied without unpacking
        noCompress += listOf("onnx", "tflite")
    }

    buildTypes {
        release {
            // both runtimes call Java from native code by name
            isMinifyEnabled = false
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
}

dependencies {
    implementation(project(":core"))
    implementation(libs.onnxruntime)
    implementation(libs.litert)
    testImplementation(libs.junit)
}

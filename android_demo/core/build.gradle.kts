plugins {
    `java-library`
}

java {
    // no toolchain: Android Studio's own, newer JDK builds it as well
    sourceCompatibility = JavaVersion.VERSION_17
    targetCompatibility = JavaVersion.VERSION_17
}

tasks.withType<JavaCompile>().configureEach {
    options.release = 17
    options.encoding = "UTF-8"
}

dependencies {
    testImplementation(libs.junit)
    testImplementation(libs.jna)
}

tasks.test {
    // tests/android/ makes the folders that the tests read, and names them by these properties
    val folders = providers.systemPropertiesPrefixedBy("edgekit.").get()
    systemProperties(folders)
    onlyIf("tests/android/ gives the folders to read") { folders.isNotEmpty() }
}

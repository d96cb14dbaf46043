// named here once, so that both modules load the same plugin
plugins {
    alias(libs.plugins.android.application) apply false
}

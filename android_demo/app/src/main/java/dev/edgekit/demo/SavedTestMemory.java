package dev.edgekit.demo;

import android.content.Context;
import android.content.SharedPreferences;
import java.io.File;

/** Passed self-tests, kept until the app is updated: an update may bring other runtimes. */
final class SavedTestMemory implements TestMemory {
    private final SharedPreferences saved;
    private final String build;

    SavedTestMemory(Context context) {
        saved = context.getSharedPreferences("self-tests", Context.MODE_PRIVATE);
        build = "@" + new File(context.getPackageCodePath()).lastModified();
    }

    @Override
    public boolean passed(String sha256) {
        return saved.getBoolean(sha256 + build, false);
    }

    @Override
    public void remember(String sha256) {
        saved.edit().putBoolean(sha256 + build, true).apply();
    }
}

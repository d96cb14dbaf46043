package android.content;

import android.content.res.AssetManager;
import java.io.File;

/** Stand-in for type checking, never packed. */
public class ContextWrapper extends Context {
    @Override
    public AssetManager getAssets() {
        throw new UnsupportedOperationException("stub");
    }

    @Override
    public File getFilesDir() {
        throw new UnsupportedOperationException("stub");
    }

    @Override
    public String getPackageCodePath() {
        throw new UnsupportedOperationException("stub");
    }

    @Override
    public SharedPreferences getSharedPreferences(String name, int mode) {
        throw new UnsupportedOperationException("stub");
    }
}

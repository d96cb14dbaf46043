package android.content;

import android.content.res.AssetManager;
import java.io.File;

/** Stand-in for type checking, never packed. */
public abstract class Context {
    public static final int MODE_PRIVATE = 0;

    public abstract AssetManager getAssets();

    public abstract File getFilesDir();

    public abstract String getPackageCodePath();

    public abstract SharedPreferences getSharedPreferences(String name, int mode);

    public final String getString(int id) {
        throw new UnsupportedOperationException("stub");
    }

    public final String getString(int id, Object... values) {
        throw new UnsupportedOperationException("stub");
    }
}

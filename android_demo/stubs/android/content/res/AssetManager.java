package android.content.res;

import java.io.IOException;
import java.io.InputStream;

/** Stand-in for type checking, never packed. */
public final class AssetManager {
    private AssetManager() {}

    public String[] list(String path) throws IOException {
        throw new UnsupportedOperationException("stub");
    }

    public InputStream open(String path) throws IOException {
        throw new UnsupportedOperationException("stub");
    }
}

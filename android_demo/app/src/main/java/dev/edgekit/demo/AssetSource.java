package dev.edgekit.demo;

import java.io.IOException;
import java.io.InputStream;

/** The files that were packed into the app. */
interface AssetSource {
    /** Names in a folder; none where there is no such folder. */
    String[] list(String folder) throws IOException;

    /** A file's content. */
    InputStream open(String path) throws IOException;
}

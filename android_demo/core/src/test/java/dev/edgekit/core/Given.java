package dev.edgekit.core;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;

/** What the tests are given: folders that Python made, named by system properties. */
final class Given {
    private Given() {}

    /** The folder of a system property; tests/android/ sets all of them. */
    static File folder(String property) {
        String path = System.getProperty(property);
        if (path == null) {
            throw new AssertionError("run by tests/android/, which sets -D" + property);
        }
        return new File(path);
    }

    static String text(File file) {
        try {
            return new String(java.nio.file.Files.readAllBytes(file.toPath()), StandardCharsets.UTF_8);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}

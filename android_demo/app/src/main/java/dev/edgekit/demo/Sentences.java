package dev.edgekit.demo;

import android.content.Context;
import dev.edgekit.core.BundleException;
import java.io.IOException;
import java.util.Locale;

/** Errors as one plain sentence. */
final class Sentences {
    private Sentences() {}

    static String of(Context context, Target target, Throwable error) {
        String runtime = context.getString(target.name);
        String said = said(error);
        if (error instanceof BundleException) {
            String start = said.substring(0, 1).toUpperCase(Locale.ROOT);
            return context.getString(R.string.error_sentence, start + said.substring(1));
        }
        if (error instanceof RunException) {
            return context.getString(R.string.error_run, runtime, said);
        }
        if (error instanceof IOException) {
            return context.getString(R.string.error_copy, said);
        }
        if (error instanceof LinkageError) {
            return context.getString(R.string.error_library, runtime);
        }
        if (error instanceof OutOfMemoryError) {
            return context.getString(R.string.error_memory);
        }
        return context.getString(R.string.error_unknown, said);
    }

    /** The first line of its message, without a period; its kind where it has none. */
    private static String said(Throwable error) {
        String text = error.getMessage() == null ? "" : error.getMessage().trim();
        if (text.isEmpty()) {
            return error.getClass().getSimpleName();
        }
        String first = text.split("\n", 2)[0].trim();
        return first.endsWith(".") ? first.substring(0, first.length() - 1) : first;
    }
}

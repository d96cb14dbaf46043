package dev.edgekit.core;

/** A bundle cannot be used: damaged, not what was bundled, or newer than this reader. */
public final class BundleException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** What is wrong, in one sentence without a period. */
    public BundleException(String message) {
        super(message);
    }
}

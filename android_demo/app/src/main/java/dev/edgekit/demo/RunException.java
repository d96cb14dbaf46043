package dev.edgekit.demo;

/** A runtime refused a model, or failed to run it. */
final class RunException extends RuntimeException {
    private static final long serialVersionUID = 1;

    RunException(Throwable cause) {
        super(cause.getMessage(), cause);
    }
}

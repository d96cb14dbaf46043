package ai.onnxruntime;

/** Stand-in for type checking, never packed. */
public final class OrtEnvironment implements AutoCloseable {
    private OrtEnvironment() {}

    public static OrtEnvironment getEnvironment() {
        throw new UnsupportedOperationException("stub");
    }

    public OrtSession createSession(String path, OrtSession.SessionOptions options)
            throws OrtException {
        throw new UnsupportedOperationException("stub");
    }

    @Override
    public void close() {
        throw new UnsupportedOperationException("stub");
    }
}

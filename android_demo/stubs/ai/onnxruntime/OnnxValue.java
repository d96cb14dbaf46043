package ai.onnxruntime;

/** Stand-in for type checking, never packed. */
public interface OnnxValue extends AutoCloseable {
    @Override
    void close();
}

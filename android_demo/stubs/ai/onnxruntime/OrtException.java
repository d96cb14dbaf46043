package ai.onnxruntime;

/** Stand-in for type checking, never packed. */
public class OrtException extends Exception {
    private static final long serialVersionUID = 1;
}

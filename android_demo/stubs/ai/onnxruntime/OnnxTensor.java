package ai.onnxruntime;

import java.nio.FloatBuffer;
import java.nio.LongBuffer;

/** Stand-in for type checking, never packed. */
public class OnnxTensor extends OnnxTensorLike {
    OnnxTensor() {}

    public static OnnxTensor createTensor(OrtEnvironment environment, LongBuffer data, long[] shape)
            throws OrtException {
        throw new UnsupportedOperationException("stub");
    }

    public FloatBuffer getFloatBuffer() {
        throw new UnsupportedOperationException("stub");
    }

    @Override
    public void close() {
        throw new UnsupportedOperationException("stub");
    }
}

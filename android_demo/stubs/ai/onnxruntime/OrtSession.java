package ai.onnxruntime;

import java.util.Map;
import java.util.Set;

/** Stand-in for type checking, never packed. */
public class OrtSession implements AutoCloseable {
    OrtSession() {}

    public Result run(Map<String, ? extends OnnxTensorLike> inputs, Set<String> outputs)
            throws OrtException {
        throw new UnsupportedOperationException("stub");
    }

    @Override
    public void close() throws OrtException {
        throw new UnsupportedOperationException("stub");
    }

    public static class SessionOptions implements AutoCloseable {
        public void setIntraOpNumThreads(int threads) throws OrtException {
            throw new UnsupportedOperationException("stub");
        }

        public void setInterOpNumThreads(int threads) throws OrtException {
            throw new UnsupportedOperationException("stub");
        }

        public void addConfigEntry(String key, String value) throws OrtException {
            throw new UnsupportedOperationException("stub");
        }

        @Override
        public void close() {
            throw new UnsupportedOperationException("stub");
        }
    }

    public static class Result implements AutoCloseable {
        Result() {}

        public OnnxValue get(int index) {
            throw new UnsupportedOperationException("stub");
        }

        @Override
        public void close() {
            throw new UnsupportedOperationException("stub");
        }
    }
}

package org.tensorflow.lite;

import java.nio.ByteBuffer;
import java.util.Map;

/** Stand-in for type checking, never packed. */
public final class Interpreter implements AutoCloseable {
    public Interpreter(ByteBuffer model, Options options) {
        throw new UnsupportedOperationException("stub");
    }

    public void runSignature(Map<String, Object> inputs, Map<String, Object> outputs, String signature) {
        throw new UnsupportedOperationException("stub");
    }

    @Override
    public void close() {
        throw new UnsupportedOperationException("stub");
    }

    public static class Options {
        public Options setNumThreads(int threads) {
            throw new UnsupportedOperationException("stub");
        }
    }
}

package dev.edgekit.demo;

import dev.edgekit.core.Contract;
import dev.edgekit.core.Row;
import dev.edgekit.core.Runner;
import java.io.File;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.Map;
import org.tensorflow.lite.Interpreter;

/** A TFLite file in LiteRT; the only file that knows its API. */
final class LiteRtRunner implements Runner {
    private final Interpreter interpreter;
    private final Contract contract;

    /**
     * Loads a model.
     *
     * @param threads 1 or more
     * @throws RunException LiteRT refuses the file
     */
    LiteRtRunner(File model, Contract contract, int threads) {
        this.contract = contract;
        try {
            interpreter = new Interpreter(mapped(model), new Interpreter.Options().setNumThreads(threads));
        } catch (IOException | IllegalArgumentException | IllegalStateException error) {
            throw new RunException(error);
        }
    }

    /** Read-only pages of the file: the system may drop them and read them again. */
    private static MappedByteBuffer mapped(File model) throws IOException {
        try (FileChannel file = FileChannel.open(model.toPath(), StandardOpenOption.READ)) {
            return file.map(FileChannel.MapMode.READ_ONLY, 0, file.size());
        }
    }

    @Override
    public float[] run(Row row) {
        Contract.Bucket bucket = contract.bucketFor(row.length());
        Row filled = row.padTo(bucket.length(), contract);
        Map<String, Object> inputs = new HashMap<>();
        for (String name : bucket.inputs()) {
            inputs.put(name, ints(filled.input(name)));
        }
        float[] out = new float[contract.outputSize()];
        Map<String, Object> outputs = new HashMap<>();
        // wraps the array, so that the values arrive in it
        outputs.put(contract.output(), FloatBuffer.wrap(out));
        try {
            interpreter.runSignature(inputs, outputs, bucket.signature());
        } catch (IllegalArgumentException | IllegalStateException error) {
            throw new RunException(error);
        }
        return out;
    }

    /** TFLite files take int32. */
    private static IntBuffer ints(long[] values) {
        IntBuffer out = IntBuffer.allocate(values.length);
        for (int i = 0; i < values.length; i++) {
            out.put(i, Math.toIntExact(values[i]));
        }
        return out;
    }

    @Override
    public void close() {
        interpreter.close();
    }
}

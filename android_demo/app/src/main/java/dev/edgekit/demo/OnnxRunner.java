package dev.edgekit.demo;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import dev.edgekit.core.Contract;
import dev.edgekit.core.Row;
import dev.edgekit.core.Runner;
import java.io.File;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/** An ONNX file in onnxruntime; the only file that knows its API. */
final class OnnxRunner implements Runner {
    private final OrtEnvironment environment;
    private final OrtSession.SessionOptions options;
    private final OrtSession session;
    private final Contract contract;

    /**
     * Loads a model.
     *
     * @param threads 1 or more
     * @throws RunException onnxruntime refuses the file
     */
    OnnxRunner(File model, Contract contract, int threads) {
        this.contract = contract;
        environment = OrtEnvironment.getEnvironment();
        options = new OrtSession.SessionOptions();
        try {
            options.setIntraOpNumThreads(threads);
            options.setInterOpNumThreads(1);
            // threads that spin between two runs cost battery
            options.addConfigEntry("session.intra_op.allow_spinning", "0");
            // by path: an array of the file would have to fit the Java heap
            session = environment.createSession(model.getPath(), options);
        } catch (OrtException error) {
            options.close();
            throw new RunException(error);
        }
    }

    @Override
    public float[] run(Row row) {
        Map<String, OnnxTensor> inputs = new HashMap<>();
        try {
            for (String name : contract.inputs()) {
                inputs.put(name, tensor(row.input(name)));
            }
            // one output asked for: what an app does not read is not copied
            Set<String> wanted = Collections.singleton(contract.output());
            try (OrtSession.Result result = session.run(inputs, wanted)) {
                FloatBuffer values = ((OnnxTensor) result.get(0)).getFloatBuffer();
                float[] out = new float[values.remaining()];
                values.get(out);
                return out;
            }
        } catch (OrtException error) {
            throw new RunException(error);
        } finally {
            for (OnnxTensor tensor : inputs.values()) {
                tensor.close();
            }
        }
    }

    /** A batch of one, at its own length: the graph takes any. */
    private OnnxTensor tensor(long[] values) throws OrtException {
        return OnnxTensor.createTensor(environment, LongBuffer.wrap(values), new long[] {1, values.length});
    }

    @Override
    public void close() {
        try {
            session.close();
        } catch (OrtException error) {
            throw new RunException(error);
        } finally {
            // the session uses them to its end
            options.close();
        }
    }
}

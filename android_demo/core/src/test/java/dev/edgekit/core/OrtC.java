package dev.edgekit.core;

import com.sun.jna.Memory;
import com.sun.jna.Pointer;
import java.io.File;
import java.util.List;

/** onnxruntime through its C library, for desktop tests of what an app does. */
final class OrtC implements Runner {
    private final OrtLibrary ort;
    private final List<String> inputs;
    private final List<String> outputs;
    private final int size;

    OrtC(File library, Bundle bundle) {
        Contract contract = bundle.contract();
        inputs = contract.inputs();
        outputs = List.of(contract.output());
        size = contract.outputSize();
        ort = new OrtLibrary(library, bundle.model());
    }

    @Override
    public float[] run(Row row) {
        int count = inputs.size();
        Pointer[] tensors = new Pointer[count];
        Memory[] data = new Memory[count]; // must live until the run is over
        for (int i = 0; i < count; i++) {
            data[i] = OrtLibrary.memory(row.input(inputs.get(i)));
            tensors[i] = ort.longs(data[i], 1, row.length());
        }
        Pointer[] found = ort.run(inputs, tensors, outputs);
        float[] values = ort.floats(found[0], size);
        ort.release(found);
        ort.release(tensors);
        return values;
    }

    @Override
    public void close() {
        ort.close();
    }
}

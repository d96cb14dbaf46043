package dev.edgekit.core;

import com.sun.jna.Function;
import com.sun.jna.Memory;
import com.sun.jna.Pointer;
import com.sun.jna.StringArray;
import java.io.File;
import java.util.List;

/**
 * onnxruntime through its C library, for desktop tests of what an app does.
 *
 * <p>The numbers are places in the table of functions of onnxruntime_c_api.h, which only grows: those
 * of version 18 stand where they stood.
 */
final class OrtC implements Runner {
    private static final int VERSION = 18;
    private static final int GET_ERROR_MESSAGE = 2;
    private static final int CREATE_ENV = 3;
    private static final int CREATE_SESSION = 7;
    private static final int RUN = 9;
    private static final int CREATE_SESSION_OPTIONS = 10;
    private static final int SET_INTRA_OP_THREADS = 24;
    private static final int CREATE_TENSOR = 49;
    private static final int GET_TENSOR_DATA = 51;
    private static final int CREATE_CPU_MEMORY_INFO = 69;
    private static final int RELEASE_STATUS = 93;
    private static final int RELEASE_SESSION = 95;
    private static final int RELEASE_VALUE = 96;
    private static final int WARNING = 2;
    private static final int INT64 = 7;

    private final Pointer table;
    private final Pointer session;
    private final Pointer memory;
    private final List<String> inputs;
    private final String output;
    private final int size;

    OrtC(File library, Bundle bundle) {
        Contract contract = bundle.contract();
        inputs = contract.inputs();
        output = contract.output();
        size = contract.outputSize();
        Function base = Function.getFunction(library.getPath(), "OrtGetApiBase");
        Pointer versions = (Pointer) base.invoke(Pointer.class, new Object[0]);
        table = (Pointer) Function.getFunction(versions.getPointer(0))
                .invoke(Pointer.class, new Object[] {VERSION});
        Pointer environment = made(CREATE_ENV, WARNING, "edgekit");
        Pointer options = made(CREATE_SESSION_OPTIONS);
        call(SET_INTRA_OP_THREADS, options, 1);
        session = made(CREATE_SESSION, environment, bundle.model().getPath(), options);
        memory = made(CREATE_CPU_MEMORY_INFO, 0, 0);
    }

    @Override
    public float[] run(Row row) {
        int count = inputs.size();
        Pointer[] tensors = new Pointer[count];
        Memory[] data = new Memory[count]; // must live until the run is over
        long[] shape = {1, row.length()};
        for (int i = 0; i < count; i++) {
            long[] values = row.input(inputs.get(i));
            data[i] = new Memory(8L * values.length);
            data[i].write(0, values, 0, values.length);
            tensors[i] = made(CREATE_TENSOR, memory, data[i], data[i].size(), shape, 2L, INT64);
        }
        Pointer[] found = new Pointer[1];
        call(RUN, session, null, new StringArray(inputs.toArray(new String[0])), tensors, (long) count,
                new StringArray(new String[] {output}), 1L, found);
        float[] values = made(GET_TENSOR_DATA, found[0]).getFloatArray(0, size);
        release(RELEASE_VALUE, found[0]);
        for (Pointer tensor : tensors) {
            release(RELEASE_VALUE, tensor);
        }
        return values;
    }

    @Override
    public void close() {
        release(RELEASE_SESSION, session);
    }

    /** Calls a function whose last argument is the place of what it makes. */
    private Pointer made(int place, Object... arguments) {
        Pointer[] out = new Pointer[1];
        Object[] all = java.util.Arrays.copyOf(arguments, arguments.length + 1);
        all[arguments.length] = out;
        call(place, all);
        return out[0];
    }

    private void call(int place, Object... arguments) {
        Pointer status = (Pointer) function(place).invoke(Pointer.class, arguments);
        if (status != null) {
            Object said = function(GET_ERROR_MESSAGE).invoke(String.class, new Object[] {status});
            release(RELEASE_STATUS, status);
            throw new IllegalStateException((String) said);
        }
    }

    private void release(int place, Pointer value) {
        function(place).invoke(void.class, new Object[] {value});
    }

    private Function function(int place) {
        return Function.getFunction(table.getPointer((long) place * Long.BYTES));
    }
}

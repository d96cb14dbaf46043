package dev.edgekit.core;

import com.sun.jna.Function;
import com.sun.jna.Memory;
import com.sun.jna.Pointer;
import com.sun.jna.StringArray;
import java.io.File;
import java.util.Arrays;
import java.util.List;

/**
 * onnxruntime's C library with one model in it.
 *
 * <p>The numbers are places in the table of functions of onnxruntime_c_api.h, which only grows: those
 * of version 18 stand where they stood.
 */
final class OrtLibrary implements AutoCloseable {
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
    private static final int FLOAT = 1;
    private static final int INT64 = 7;

    private final Pointer table;
    private final Pointer session;
    private final Pointer memory;

    OrtLibrary(File library, File model) {
        Function base = Function.getFunction(library.getPath(), "OrtGetApiBase");
        Pointer versions = (Pointer) base.invoke(Pointer.class, new Object[0]);
        table = (Pointer) Function.getFunction(versions.getPointer(0))
                .invoke(Pointer.class, new Object[] {VERSION});
        Pointer environment = made(CREATE_ENV, WARNING, "edgekit");
        Pointer options = made(CREATE_SESSION_OPTIONS);
        call(SET_INTRA_OP_THREADS, options, 1);
        session = made(CREATE_SESSION, environment, model.getPath(), options);
        memory = made(CREATE_CPU_MEMORY_INFO, 0, 0);
    }

    /** A tensor over memory that the caller keeps until its run is over. */
    Pointer longs(Memory data, long... shape) {
        return made(CREATE_TENSOR, memory, data, data.size(), shape, (long) shape.length, INT64);
    }

    /** An empty tensor of floats: one of its sizes is 0. */
    Pointer noFloats(Memory anything, long... shape) {
        return made(CREATE_TENSOR, memory, anything, 0L, shape, (long) shape.length, FLOAT);
    }

    /** Runs the model; the caller releases what it gets. */
    Pointer[] run(List<String> inputs, Pointer[] tensors, List<String> outputs) {
        Pointer[] found = new Pointer[outputs.size()];
        call(RUN, session, null, new StringArray(inputs.toArray(new String[0])), tensors, (long) tensors.length,
                new StringArray(outputs.toArray(new String[0])), (long) found.length, found);
        return found;
    }

    float[] floats(Pointer tensor, int count) {
        return made(GET_TENSOR_DATA, tensor).getFloatArray(0, count);
    }

    void release(Pointer... tensors) {
        for (Pointer tensor : tensors) {
            release(RELEASE_VALUE, tensor);
        }
    }

    @Override
    public void close() {
        release(RELEASE_SESSION, session);
    }

    static Memory memory(long... values) {
        Memory data = new Memory(8L * values.length);
        data.write(0, values, 0, values.length);
        return data;
    }

    /** Calls a function whose last argument is the place of what it makes. */
    private Pointer made(int place, Object... arguments) {
        Pointer[] out = new Pointer[1];
        Object[] all = Arrays.copyOf(arguments, arguments.length + 1);
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

package dev.edgekit.core;

import com.sun.jna.Memory;
import com.sun.jna.Pointer;
import java.io.File;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** A language model through onnxruntime's C library: its cache goes in and comes out as it is. */
final class OrtLanguage implements LanguageRunner {
    private final OrtLibrary ort;
    private final Generation about;
    private final List<String> inputs = new ArrayList<>();
    private final List<String> outputs = new ArrayList<>();
    private final Memory nothing = new Memory(8);
    private Pointer[] cache;
    private int length;

    OrtLanguage(File library, Bundle bundle) {
        Contract contract = bundle.contract();
        about = contract.generation();
        inputs.addAll(contract.inputs());
        inputs.add(about.logitsAt());
        outputs.add(contract.output());
        for (Generation.Cached cached : about.cache()) {
            inputs.add(cached.past());
            outputs.add(cached.present());
        }
        ort = new OrtLibrary(library, bundle.model());
        reset();
    }

    @Override
    public void reset() {
        if (cache != null) {
            ort.release(cache);
        }
        cache = new Pointer[about.cache().size()];
        for (int i = 0; i < cache.length; i++) {
            Generation.Cached one = about.cache().get(i);
            cache[i] = ort.noFloats(nothing, 1, one.heads(), 0, one.size());
        }
        length = 0;
    }

    @Override
    public float[] feed(long[] ids) {
        long[] ones = new long[length + ids.length];
        Arrays.fill(ones, 1);
        Memory[] data = {OrtLibrary.memory(ids), OrtLibrary.memory(ones), OrtLibrary.memory(ids.length - 1)};
        Pointer[] given = {
            ort.longs(data[0], 1, ids.length), ort.longs(data[1], 1, ones.length), ort.longs(data[2], 1)
        };
        Pointer[] all = Arrays.copyOf(given, given.length + cache.length);
        System.arraycopy(cache, 0, all, given.length, cache.length);
        Pointer[] found = ort.run(inputs, all, outputs);
        float[] logits = ort.floats(found[0], about.vocabulary());
        ort.release(all);
        ort.release(found[0]);
        cache = Arrays.copyOfRange(found, 1, found.length);
        length = ones.length;
        return logits;
    }

    @Override
    public void close() {
        ort.release(cache);
        ort.close();
    }
}

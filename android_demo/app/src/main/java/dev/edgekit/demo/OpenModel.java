package dev.edgekit.demo;

import dev.edgekit.core.Bundle;
import dev.edgekit.core.BundleException;
import dev.edgekit.core.Contract;
import dev.edgekit.core.Runner;
import dev.edgekit.core.SelfTest;
import java.io.File;
import java.io.IOException;

/** A bundle with its model loaded, checked and tested on this device. */
final class OpenModel implements AutoCloseable {
    private final Bundle bundle;
    private final Runner runner;
    private final int threads;
    private final Latency latency = new Latency();
    private String tested = "";

    private OpenModel(Bundle bundle, Runner runner, int threads) {
        this.bundle = bundle;
        this.runner = runner;
        this.threads = threads;
    }

    /**
     * Copies what is not copied yet, checks every file, loads the model, and tests it if no earlier
     * start did.
     *
     * @throws BundleException the bundle is missing or damaged, or fails its self-test here
     * @throws RunException the runtime refuses the model
     * @throws IOException the bundle cannot be copied
     */
    static OpenModel open(Target target, BundleStore store, TestMemory memory, int threads)
            throws IOException {
        File folder = store.folder(target.assets);
        Bundle bundle = checked(folder, target, store);
        OpenModel model = new OpenModel(bundle, target.runner(bundle, threads), threads);
        try {
            model.test(folder.getName(), memory);
            return model;
        } catch (RuntimeException | Error error) {
            model.close();
            throw error;
        }
    }

    /** A copy can rot, the packed original is signed: one more try from there. */
    private static Bundle checked(File folder, Target target, BundleStore store) throws IOException {
        try {
            return Bundle.open(folder);
        } catch (BundleException damaged) {
            store.discard(folder);
            return Bundle.open(store.folder(target.assets));
        }
    }

    private void test(String sha256, TestMemory memory) {
        if (memory.passed(sha256)) {
            return;
        }
        SelfTest.Outcome outcome = bundle.selfTest().run(runner);
        if (!outcome.passed()) {
            throw new BundleException("the self-test failed on this device (" + outcome + ")");
        }
        memory.remember(sha256);
        tested = outcome.toString();
    }

    /** What is known of the model. */
    Contract contract() {
        return bundle.contract();
    }

    /** What the self-test said; empty if an earlier start ran it. */
    String tested() {
        return tested;
    }

    /** Threads that the runtime may use. */
    int threads() {
        return threads;
    }

    /** Times of {@link #run}. */
    Latency latency() {
        return latency;
    }

    /**
     * A text, and a second one or null, as the model's output; ids are made within the time taken.
     *
     * @throws RunException the runtime fails
     */
    float[] run(String text, String second) {
        long start = System.nanoTime();
        float[] out = runner.run(bundle.tokenizer().encode(text, second));
        latency.add(System.nanoTime() - start);
        return out;
    }

    @Override
    public void close() {
        runner.close();
    }
}

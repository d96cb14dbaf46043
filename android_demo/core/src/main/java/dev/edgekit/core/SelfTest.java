package dev.edgekit.core;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Golden vectors at first start: does this device still run that model? */
public final class SelfTest {
    /** What came out. */
    public static final class Outcome {
        private final boolean passed;
        private final String said;

        Outcome(boolean passed, String said) {
            this.passed = passed;
            this.said = said;
        }

        /** Every id is equal, and every output within its bound. */
        public boolean passed() {
            return passed;
        }

        @Override
        public String toString() {
            return said;
        }
    }

    private final Tokenizer tokenizer;
    private final String metric;
    private final double bound;
    private final List<Node> cases;

    SelfTest(Contract contract, Tokenizer tokenizer, Node test, Node golden) {
        this.tokenizer = tokenizer;
        metric = test.text("metric");
        if (!List.of("cosine", "rms_rel", "max_abs_rel").contains(metric)) {
            throw new BundleException("the self-test's metric '" + metric + "' is unknown");
        }
        bound = test.number(metric.equals("cosine") ? "least" : "most");
        cases = golden.nodes("cases");
    }

    /**
     * Runs all cases.
     *
     * @throws BundleException the task has one output per token, which this test does not compare
     */
    public Outcome run(Runner runner) {
        return run((row, positions) -> {
            if (positions != null) {
                throw new BundleException("the self-test of token tasks needs every token's output");
            }
            return List.of(runner.run(row));
        });
    }

    /** Runs all cases of a language model, one token a time: the logits behind each that is judged. */
    public Outcome run(LanguageRunner runner) {
        return run((row, positions) -> {
            List<float[]> found = new ArrayList<>();
            long[] ids = row.ids();
            int next = 0;
            runner.reset();
            for (int i = 0; i < ids.length && next < positions.length; i++) {
                float[] logits = runner.feed(new long[] {ids[i]});
                if (positions[next] == i) {
                    found.add(logits);
                    next++;
                }
            }
            return found;
        });
    }

    /** What a runtime gives for one example. */
    private interface Outputs {
        /** The judged rows; positions of their tokens, or null where the example is one row. */
        List<float[]> of(Row row, int[] positions);
    }

    private Outcome run(Outputs outputs) {
        Distance distance = new Distance(metric);
        for (Node one : cases) {
            String text = one.text("text");
            Row row = tokenizer.encode(text, one.has("pair") ? one.text("pair") : null);
            if (!Arrays.equals(row.ids(), longs(one.integers("ids")))) {
                return new Outcome(false, "other ids than the source's for '" + text + "'");
            }
            int[] positions = one.has("positions") ? one.integers("positions") : null;
            List<float[]> found = outputs.of(row, positions);
            List<?> expected = one.list("output");
            if (found.size() != expected.size()) {
                return new Outcome(false, found.size() + " rows, " + expected.size() + " expected");
            }
            for (int i = 0; i < found.size(); i++) {
                float[] wanted = floats((List<?>) expected.get(i));
                if (found.get(i).length != wanted.length) {
                    return new Outcome(false, found.get(i).length + " values, " + wanted.length + " expected");
                }
                distance.add(wanted, found.get(i));
            }
        }
        double worst = distance.worst();
        boolean passed = metric.equals("cosine") ? worst >= bound : worst <= bound; // NaN: neither
        return new Outcome(passed, String.format(java.util.Locale.ROOT,
                "%d texts, ids equal, %s %.6f at worst, %.6f allowed", cases.size(), metric, worst, bound));
    }

    private static long[] longs(int[] values) {
        return Arrays.stream(values).asLongStream().toArray();
    }

    private static float[] floats(List<?> values) {
        float[] out = new float[values.size()];
        for (int i = 0; i < out.length; i++) {
            out[i] = ((Double) values.get(i)).floatValue();
        }
        return out;
    }
}

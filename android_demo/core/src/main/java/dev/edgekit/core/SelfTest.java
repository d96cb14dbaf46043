package dev.edgekit.core;

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
        double worst = metric.equals("cosine") ? 1 : 0;
        double squares = 0;
        double signal = 0;
        for (Node one : cases) {
            String text = one.text("text");
            Row row = tokenizer.encode(text, one.has("pair") ? one.text("pair") : null);
            if (!Arrays.equals(row.ids(), longs(one.integers("ids")))) {
                return new Outcome(false, "other ids than the source's for '" + text + "'");
            }
            if (one.has("positions")) {
                throw new BundleException("the self-test of token tasks needs every token's output");
            }
            float[] expected = floats((List<?>) one.list("output").get(0));
            float[] found = runner.run(row);
            if (found.length != expected.length) {
                return new Outcome(false, found.length + " values, " + expected.length + " expected");
            }
            double largest = 0;
            double error = 0;
            for (int i = 0; i < found.length; i++) {
                double apart = (double) found[i] - expected[i];
                squares += apart * apart;
                signal += (double) expected[i] * expected[i];
                // a value that is no number stays one: maximum of NaN is NaN
                error = Math.max(error, Math.abs(apart));
                largest = Math.max(largest, Math.abs(expected[i]));
            }
            if (metric.equals("cosine")) {
                worst = Math.min(worst, Post.cosine(expected, found));
            } else if (metric.equals("rms_rel")) {
                worst = Math.sqrt(squares / signal);
            } else {
                worst = Math.max(worst, error / Math.max(1, largest));
            }
        }
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

package dev.edgekit.core;

/** How far outputs are from the expected ones, by the self-test's metric, over all rows. */
final class Distance {
    private final String metric;
    private double worst;
    private double squares;
    private double signal;

    Distance(String metric) {
        this.metric = metric;
        worst = metric.equals("cosine") ? 1 : 0;
    }

    void add(float[] expected, float[] found) {
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
        } else {
            worst = Math.max(worst, error / Math.max(1, largest));
        }
    }

    double worst() {
        return metric.equals("rms_rel") ? Math.sqrt(squares / signal) : worst;
    }
}

package dev.edgekit.demo;

import java.util.Arrays;

/** Times of the last runs. The median: one run that was interrupted says nothing. */
final class Latency {
    private static final int KEPT = 25;

    private final long[] nanos = new long[KEPT];
    private int runs;

    synchronized void add(long elapsed) {
        nanos[runs++ % KEPT] = elapsed;
    }

    /** Runs that the median is of. */
    synchronized int count() {
        return Math.min(runs, KEPT);
    }

    /** In milliseconds; 0 before the first run. */
    synchronized double median() {
        long[] sorted = Arrays.copyOf(nanos, count());
        if (sorted.length == 0) {
            return 0;
        }
        Arrays.sort(sorted);
        int half = sorted.length / 2;
        double middle = sorted.length % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2.0;
        return middle / 1e6;
    }
}

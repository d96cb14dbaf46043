package dev.edgekit.demo;

import static org.junit.Assert.assertEquals;

import org.junit.Test;

/** Medians by hand. */
public class LatencyTest {
    private static final long MILLI = 1_000_000;

    @Test
    public void isTheMiddleOfTheRuns() {
        Latency latency = new Latency();
        assertEquals(0, latency.median(), 0);
        for (long millis : new long[] {7, 900, 3}) {
            latency.add(millis * MILLI);
        }
        assertEquals(7, latency.median(), 0);
        latency.add(4 * MILLI);
        assertEquals(5.5, latency.median(), 0);
        assertEquals(4, latency.count());
    }

    @Test
    public void forgetsOldRuns() {
        Latency latency = new Latency();
        for (int i = 0; i < 100; i++) {
            latency.add(50 * MILLI);
        }
        for (int i = 0; i < 13; i++) {
            latency.add(2 * MILLI);
        }
        assertEquals(25, latency.count());
        assertEquals(2, latency.median(), 0);
    }
}

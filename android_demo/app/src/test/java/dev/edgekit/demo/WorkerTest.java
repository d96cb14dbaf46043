package dev.edgekit.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.Test;

/** The newest request counts, and the last task always runs. */
public class WorkerTest {
    private final List<String> shown = new CopyOnWriteArrayList<>();
    private final Worker worker = new Worker(Runnable::run);

    @Test
    public void answersTheNewestAlone() throws Exception {
        CountDownLatch typed = new CountDownLatch(1);
        List<String> ran = new CopyOnWriteArrayList<>();
        worker.submit(() -> {
            ran.add("first");
            typed.await();
            return "first";
        }, shown::add, error -> shown.add("failed"));
        for (String text : List.of("second", "third")) {
            worker.submit(() -> {
                ran.add(text);
                return text;
            }, shown::add, error -> shown.add("failed"));
        }
        typed.countDown();
        waitForEnd();
        assertTrue(ran.contains("third"));
        // never ran: the third was there before it could start
        assertTrue(!ran.contains("second"));
        assertEquals(List.of("third"), shown);
    }

    @Test
    public void tellsErrorsOfEveryKind() throws Exception {
        worker.submit(() -> {
            throw new UnsatisfiedLinkError("no library");
        }, result -> shown.add("done"), error -> shown.add(error.getMessage()));
        waitForEnd();
        assertEquals(List.of("no library"), shown);
    }

    @Test
    public void showsNothingAfterItsEnd() throws Exception {
        CountDownLatch stopped = new CountDownLatch(1);
        CountDownLatch ended = new CountDownLatch(1);
        worker.submit(() -> {
            stopped.await();
            return "late";
        }, shown::add, error -> shown.add("failed"));
        worker.stop(ended::countDown);
        stopped.countDown();
        assertTrue(ended.await(10, TimeUnit.SECONDS));
        assertEquals(List.of(), shown);
    }

    /** Waits for the first answer, then stops the worker. */
    private void waitForEnd() throws InterruptedException {
        for (int i = 0; i < 10_000 && shown.isEmpty(); i++) {
            Thread.sleep(1);
        }
        CountDownLatch ended = new CountDownLatch(1);
        worker.stop(ended::countDown);
        assertTrue(ended.await(10, TimeUnit.SECONDS));
    }
}

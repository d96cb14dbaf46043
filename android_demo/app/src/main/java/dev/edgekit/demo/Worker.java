package dev.edgekit.demo;

import java.util.concurrent.Callable;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;

/** One background thread that cares for the newest request alone: who types on wants no old answer. */
final class Worker {
    private final ExecutorService thread = Executors.newSingleThreadExecutor();
    private final AtomicInteger newest = new AtomicInteger();
    private final Executor front;

    /** @param front runs what shows results, on the main thread */
    Worker(Executor front) {
        this.front = front;
    }

    /**
     * Runs a task, unless a newer one comes before it starts.
     *
     * @param done gets its result, unless a newer one came meanwhile
     * @param failed gets what it threw, likewise
     */
    <T> void submit(Callable<T> task, Consumer<T> done, Consumer<Throwable> failed) {
        int number = newest.incrementAndGet();
        thread.execute(() -> {
            if (number != newest.get()) {
                return;
            }
            try {
                T result = task.call();
                deliver(number, () -> done.accept(result));
            } catch (Exception | LinkageError | OutOfMemoryError error) {
                // a native library that is missing, and a model that is too large, are told as well
                deliver(number, () -> failed.accept(error));
            }
        });
    }

    private void deliver(int number, Runnable show) {
        front.execute(() -> {
            if (number == newest.get()) {
                show.run();
            }
        });
    }

    /** Ends the thread with a last task, which always runs; nothing is shown any more. */
    void stop(Runnable last) {
        newest.incrementAndGet();
        thread.execute(last);
        thread.shutdown();
    }
}

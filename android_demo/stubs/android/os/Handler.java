package android.os;

/** Stand-in for type checking, never packed. */
public class Handler {
    public Handler(Looper looper) {}

    public final boolean post(Runnable task) {
        throw new UnsupportedOperationException("stub");
    }
}

package android.os;

/** Stand-in for type checking, never packed. */
public final class Looper {
    private Looper() {}

    public static Looper getMainLooper() {
        throw new UnsupportedOperationException("stub");
    }
}

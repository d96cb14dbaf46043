package android.view;

/** Stand-in for type checking, never packed. */
public abstract class LayoutInflater {
    public View inflate(int layout, ViewGroup root, boolean attach) {
        throw new UnsupportedOperationException("stub");
    }
}

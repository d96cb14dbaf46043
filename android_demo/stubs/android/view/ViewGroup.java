package android.view;

/** Stand-in for type checking, never packed. */
public abstract class ViewGroup extends View {
    public void addView(View child) {
        throw new UnsupportedOperationException("stub");
    }

    public void removeAllViews() {
        throw new UnsupportedOperationException("stub");
    }
}

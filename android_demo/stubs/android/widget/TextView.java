package android.widget;

import android.text.TextWatcher;
import android.view.View;

/** Stand-in for type checking, never packed. */
public class TextView extends View {
    public CharSequence getText() {
        throw new UnsupportedOperationException("stub");
    }

    public final void setText(CharSequence text) {
        throw new UnsupportedOperationException("stub");
    }

    public final void setText(int id) {
        throw new UnsupportedOperationException("stub");
    }

    public void addTextChangedListener(TextWatcher watcher) {
        throw new UnsupportedOperationException("stub");
    }
}

package android.widget;

import android.text.Editable;

/** Stand-in for type checking, never packed. */
public class EditText extends TextView {
    @Override
    public Editable getText() {
        throw new UnsupportedOperationException("stub");
    }
}

package android.view;

import android.content.Context;

/** Stand-in for type checking, never packed. */
public class View {
    public final Context getContext() {
        throw new UnsupportedOperationException("stub");
    }

    public final <T extends View> T findViewById(int id) {
        throw new UnsupportedOperationException("stub");
    }
}

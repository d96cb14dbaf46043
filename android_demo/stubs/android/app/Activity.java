package android.app;

import android.os.Bundle;
import android.view.ContextThemeWrapper;
import android.view.LayoutInflater;
import android.view.View;

/** Stand-in for type checking, never packed. */
public class Activity extends ContextThemeWrapper {
    protected void onCreate(Bundle saved) {
        throw new UnsupportedOperationException("stub");
    }

    protected void onDestroy() {
        throw new UnsupportedOperationException("stub");
    }

    public void setContentView(int layout) {
        throw new UnsupportedOperationException("stub");
    }

    public <T extends View> T findViewById(int id) {
        throw new UnsupportedOperationException("stub");
    }

    public LayoutInflater getLayoutInflater() {
        throw new UnsupportedOperationException("stub");
    }
}

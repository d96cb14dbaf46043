package dev.edgekit.demo;

import android.text.Editable;
import android.text.TextWatcher;

/** Runs something after every change of a field. */
final class OnEdit implements TextWatcher {
    private final Runnable changed;

    OnEdit(Runnable changed) {
        this.changed = changed;
    }

    @Override
    public void beforeTextChanged(CharSequence text, int start, int count, int after) {}

    @Override
    public void onTextChanged(CharSequence text, int start, int before, int count) {}

    @Override
    public void afterTextChanged(Editable text) {
        changed.run();
    }
}

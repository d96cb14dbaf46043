package android.text;

/** Stand-in for type checking, never packed. */
public interface Editable extends CharSequence {}

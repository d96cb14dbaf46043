package android.view;

import android.content.ContextWrapper;

/** Stand-in for type checking, never packed. */
public class ContextThemeWrapper extends ContextWrapper {}

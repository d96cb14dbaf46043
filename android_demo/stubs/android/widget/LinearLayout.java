package android.widget;

import android.view.ViewGroup;

/** Stand-in for type checking, never packed. */
public class LinearLayout extends ViewGroup {}

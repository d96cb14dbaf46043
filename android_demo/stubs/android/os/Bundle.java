package android.os;

/** Stand-in for type checking, never packed. */
public final class Bundle {}

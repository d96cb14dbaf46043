package dev.edgekit.core;

import java.util.regex.Pattern;

/**
 * Patterns of tokenizers, written for another engine, as java.util.regex reads them.
 *
 * <p>Spelled without flags and property names in which desktop Java and Android differ.
 */
final class Patterns {
    private static final String SPACES =
            "\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
    static final Pattern GPT2 = translate(
            "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+");
    static final Pattern SPACE = Pattern.compile("[" + SPACES + "]");
    static final Pattern NUMBER = Pattern.compile("\\p{N}");

    private Patterns() {}

    /** \s and \S of Unicode, inside and outside of classes; (?i:...) spelled out. */
    static Pattern translate(String source) {
        StringBuilder out = new StringBuilder();
        boolean inClass = false;
        int anyCase = -1; // depth of parentheses at which (?i: closes
        int depth = 0;
        for (int i = 0; i < source.length(); i++) {
            char c = source.charAt(i);
            if (c == '\\' && i + 1 < source.length()) {
                char kind = source.charAt(++i);
                if (kind == 's') {
                    out.append(inClass ? SPACES : "[" + SPACES + "]");
                } else if (kind == 'S') {
                    out.append("[^").append(SPACES).append("]");
                } else {
                    out.append(c).append(kind);
                }
            } else if (!inClass && source.startsWith("(?i:", i)) {
                anyCase = depth++;
                out.append("(?:");
                i += 3;
            } else if (anyCase >= 0 && !inClass && Character.isLetter(c)) {
                out.append(bothCases(c));
            } else {
                if (c == '[' || c == ']') {
                    inClass = c == '[';
                } else if (!inClass && c == '(') {
                    depth++;
                } else if (!inClass && c == ')' && --depth == anyCase) {
                    anyCase = -1;
                }
                out.append(c);
            }
        }
        return Pattern.compile(out.toString());
    }

    private static String bothCases(char c) {
        char lower = Character.toLowerCase(c);
        // two letters have a third form: long s and the Kelvin sign
        String third = lower == 's' ? "\u017f" : lower == 'k' ? "\u212a" : "";
        return "[" + lower + Character.toUpperCase(c) + third + "]";
    }
}

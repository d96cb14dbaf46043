package dev.edgekit.core;

import java.util.Map;

/**
 * A text as a pattern should see it: of the same length, every character in the library's class.
 *
 * <p>Which characters are letters and numbers depends on the Unicode version of the platform. Those
 * that it takes for something else than the library does get a stand-in of the right kind.
 */
final class Shadow {
    private static final int LETTER = 0;
    private static final int NUMBER = 1;
    private static final int OTHER = 2;
    /** By kind: one char and two chars long. */
    private static final String[][] STAND_INS = {
        {"\u01bb", "\ud840\udc00"}, {"\u00bc", "\ud835\udfce"}, {"\u00a6", "\ud83c\udf00"},
    };

    private final CharClass letters;
    private final CharClass numbers;

    Shadow(Map<String, CharClass> classes) {
        letters = classes.get("letter");
        numbers = classes.get("number");
    }

    String of(String text) {
        if (letters == null || numbers == null) {
            return text;
        }
        StringBuilder out = new StringBuilder(text.length());
        for (int i = 0; i < text.length(); ) {
            int point = text.codePointAt(i);
            int kind = letters.has(point) ? LETTER : numbers.has(point) ? NUMBER : OTHER;
            if (kind == here(point)) {
                out.appendCodePoint(point);
            } else {
                out.append(STAND_INS[kind][Character.charCount(point) - 1]);
            }
            i += Character.charCount(point);
        }
        return out.toString();
    }

    private static int here(int point) {
        int kind = Character.getType(point);
        if (Character.isLetter(point)) {
            return LETTER;
        }
        boolean number = kind == Character.DECIMAL_DIGIT_NUMBER
                || kind == Character.LETTER_NUMBER
                || kind == Character.OTHER_NUMBER;
        return number ? NUMBER : OTHER;
    }
}

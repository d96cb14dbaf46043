package dev.edgekit.core;

import java.util.Arrays;

/** A set of code points as ascending ranges, both ends included. */
final class CharClass {
    /** Unicode's White_Space, which is not what Character.isWhitespace says. */
    static final CharClass SPACE =
            new CharClass(0x9, 0xd, 0x20, 0x20, 0x85, 0x85, 0xa0, 0xa0, 0x1680, 0x1680, 0x2000, 0x200a,
                    0x2028, 0x2029, 0x202f, 0x202f, 0x205f, 0x205f, 0x3000, 0x3000);
    /** What BERT's tokenizer puts spaces around; the gap before 2B920 is the library's own. */
    static final CharClass IDEOGRAPH =
            new CharClass(0x3400, 0x4dbf, 0x4e00, 0x9fff, 0xf900, 0xfaff, 0x20000, 0x2a6df,
                    0x2a700, 0x2b73f, 0x2b740, 0x2b81f, 0x2b920, 0x2ceaf, 0x2f800, 0x2fa1f);
    static final CharClass NONE = new CharClass();

    private final int[] flat;

    /** @param flat first and last code point of each range, ascending */
    CharClass(int... flat) {
        this.flat = flat;
    }

    boolean has(int point) {
        int at = Arrays.binarySearch(flat, point);
        // an exact hit is an end of a range; else an odd insertion point lies inside one
        return at >= 0 || (~at & 1) == 1;
    }

    /** Letters, marks, digits, connectors and joiners: what the library's patterns call \w. */
    static boolean isWord(int point) {
        int kind = Character.getType(point);
        return Character.isAlphabetic(point)
                || kind == Character.NON_SPACING_MARK
                || kind == Character.ENCLOSING_MARK
                || kind == Character.COMBINING_SPACING_MARK
                || kind == Character.DECIMAL_DIGIT_NUMBER
                || kind == Character.CONNECTOR_PUNCTUATION
                || point == 0x200c
                || point == 0x200d;
    }
}

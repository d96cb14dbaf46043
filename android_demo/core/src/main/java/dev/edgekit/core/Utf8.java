package dev.edgekit.core;

/**
 * Bytes to text as Rust's from_utf8_lossy: one U+FFFD for each maximal beginning of a letter that is
 * not completed. Java's own decoder counts some of them otherwise.
 */
final class Utf8 {
    private Utf8() {}

    static String lossy(byte[] bytes) {
        StringBuilder out = new StringBuilder();
        for (int at = 0; at < bytes.length; ) {
            int lead = bytes[at] & 0xff;
            int more = more(lead);
            int end = at + 1;
            int letter = more < 1 ? lead : lead & (0x3f >> more);
            while (end < bytes.length && end - at <= more && continues(lead, bytes[end] & 0xff, end - at)) {
                letter = letter << 6 | (bytes[end] & 0x3f);
                end++;
            }
            out.appendCodePoint(end - at == more + 1 ? letter : 0xfffd);
            at = end;
        }
        return out.toString();
    }

    /** Bytes that follow a first one; -1 where it begins no letter. */
    private static int more(int lead) {
        if (lead < 0x80) {
            return 0;
        }
        if (lead < 0xc2 || lead > 0xf4) {
            return -1;
        }
        return lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    }

    /** No longer form than needed, no surrogates, nothing beyond the last code point. */
    private static boolean continues(int lead, int value, int place) {
        int least = 0x80;
        int most = 0xbf;
        if (place == 1) {
            least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : least;
            most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : most;
        }
        return value >= least && value <= most;
    }
}

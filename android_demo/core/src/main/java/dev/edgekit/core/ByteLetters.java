package dev.edgekit.core;

/** GPT-2's letters for bytes: printable Latin-1 stands for itself, the others for 256, 257, ... */
final class ByteLetters {
    private static final char[] LETTERS = new char[256];

    static {
        char other = 256;
        for (int b = 0; b < 256; b++) {
            boolean printable = (b > 32 && b < 127) || (b > 160 && b != 173);
            LETTERS[b] = printable ? (char) b : other++;
        }
    }

    private ByteLetters() {}

    static String of(byte[] bytes) {
        char[] out = new char[bytes.length];
        for (int i = 0; i < bytes.length; i++) {
            out[i] = LETTERS[bytes[i] & 0xff];
        }
        return new String(out);
    }
}

package dev.edgekit.core;

import java.util.ArrayList;
import java.util.List;

/**
 * What each new token adds to a text: no half letters, and the space that a first token begins with
 * is kept. All pieces together are the text of all tokens behind the prompt's.
 */
final class TextPieces {
    private final Decoder decoder;
    private final List<Integer> ids = new ArrayList<>();
    // ids from begin to read are told already, and decoded again as what comes before
    private int begin;
    private int read;

    TextPieces(Decoder decoder, long[] prompt) {
        this.decoder = decoder;
        for (long id : prompt) {
            ids.add((int) id);
        }
        read = ids.size();
    }

    /** The text that is settled now; "" while a letter is half done. */
    String push(int id) {
        ids.add(id);
        // bytes in a row are decoded together, special tokens between them or not
        return decoder.isByte(id) || decoder.text(List.of(id)).isEmpty() ? "" : take(false);
    }

    /** What was held back. */
    String finish() {
        return take(true);
    }

    private String take(boolean last) {
        String before = decoder.text(ids.subList(begin, read));
        String whole = decoder.text(ids.subList(begin, ids.size()));
        String alone = decoder.text(ids.subList(read, ids.size()));
        if (whole.endsWith("\ufffd") && !last) {
            return "";
        }
        String piece = whole.startsWith(before) ? whole.substring(before.length()) : alone;
        if (!alone.trim().isEmpty()) {
            begin = read;
            read = ids.size();
        } else if (!piece.isEmpty()) {
            // spaces alone would not keep the next token's space
            read = ids.size();
        }
        return piece;
    }
}

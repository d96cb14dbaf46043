package dev.edgekit.core;

import java.util.ArrayList;
import java.util.List;

/** The longest token first, from left to right (Schuster and Nakajima 2012; BERT). */
final class WordPiece implements Words {
    private final Vocabulary vocabulary;
    private final int unknown;
    private final int longest;
    private final String continuing;

    WordPiece(Node tokenizer, Vocabulary vocabulary) {
        this.vocabulary = vocabulary;
        unknown = tokenizer.integer("unk_id");
        longest = tokenizer.integer("max_word");
        continuing = tokenizer.text("continuing");
    }

    @Override
    public void ids(String word, List<Integer> out) {
        List<Integer> found = new ArrayList<>();
        boolean whole = word.codePointCount(0, word.length()) <= longest;
        for (int from = 0; whole && from < word.length(); ) {
            int to = word.length();
            int id = -1;
            for (; to > from; to = word.offsetByCodePoints(to, -1)) {
                id = vocabulary.id((from == 0 ? "" : continuing) + word.substring(from, to));
                if (id >= 0) {
                    break;
                }
            }
            whole = id >= 0;
            found.add(id);
            from = to;
        }
        if (whole) {
            out.addAll(found);
        } else {
            out.add(unknown);
        }
    }
}

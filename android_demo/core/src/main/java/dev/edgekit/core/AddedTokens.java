package dev.edgekit.core;

import java.util.ArrayList;
import java.util.List;

/** Tokens that are found in a text as they stand, and cut it. */
final class AddedTokens {
    /** A stretch of text, or an added token in its place. */
    static final class Piece {
        final String text;
        final int id;

        Piece(String text, int id) {
            this.text = text;
            this.id = id;
        }

        boolean isToken() {
            return id >= 0;
        }
    }

    private static final class Token {
        final String text;
        final int id;
        final boolean left;
        final boolean right;
        final boolean word;

        Token(String text, Node node) {
            this.text = text;
            id = node.integer("id");
            left = node.flag("lstrip");
            right = node.flag("rstrip");
            word = node.flag("single_word");
        }
    }

    private final List<Token> longestFirst = new ArrayList<>();

    void add(String text, Node node) {
        if (!text.isEmpty()) {
            longestFirst.add(new Token(text, node));
            longestFirst.sort((a, b) -> b.text.length() - a.text.length());
        }
    }

    List<Piece> cut(String text) {
        List<Piece> out = new ArrayList<>();
        int from = 0;
        for (int at = 0; at < text.length(); at++) {
            Token hit = find(text, at);
            if (hit == null) {
                continue;
            }
            int end = at + hit.text.length();
            if (hit.word && (inWord(text, at, -1) || inWord(text, end, 1))) {
                at = end - 1;
                continue;
            }
            add(out, Normalize.strip(text.substring(from, at), false, hit.left));
            out.add(new Piece(hit.text, hit.id));
            String rest = text.substring(end);
            from = hit.right ? text.length() - Normalize.strip(rest, true, false).length() : end;
            at = from - 1;
        }
        add(out, text.substring(from));
        return out;
    }

    private Token find(String text, int at) {
        for (Token token : longestFirst) {
            if (text.startsWith(token.text, at)) {
                return token;
            }
        }
        return null;
    }

    private static void add(List<Piece> out, String text) {
        if (!text.isEmpty()) {
            out.add(new Piece(text, -1));
        }
    }

    private static boolean inWord(String text, int at, int side) {
        if (side < 0) {
            return at > 0 && CharClass.isWord(text.codePointBefore(at));
        }
        return at < text.length() && CharClass.isWord(text.codePointAt(at));
    }
}

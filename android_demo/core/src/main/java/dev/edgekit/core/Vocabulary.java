package dev.edgekit.core;

import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** vocab.json: tokens by id, merges by rank, character classes by name. */
final class Vocabulary {
    private static final List<String> CLASSES =
            List.of("control", "mark", "combining", "punctuation", "letter", "number");

    private final Map<String, Integer> ids = new HashMap<>();
    private final List<?> tokens;
    private final Map<Long, Long> merges = new HashMap<>();
    final Map<String, CharClass> classes = new HashMap<>();

    Vocabulary(Object json) {
        Node node = Node.of(json, "vocab.json");
        tokens = node.list("tokens");
        for (int id = 0; id < tokens.size(); id++) {
            if (tokens.get(id) != null) {
                ids.put((String) tokens.get(id), id);
            }
        }
        if (node.has("merges")) {
            int[] flat = node.integers("merges");
            for (int i = 0; i + 2 < flat.length; i += 3) {
                merges.put(pair(flat[i], flat[i + 1]), pair(i / 3, flat[i + 2]));
            }
        }
        if (node.has("classes")) {
            Node found = node.node("classes");
            for (String name : CLASSES) {
                if (found.has(name)) {
                    classes.put(name, new CharClass(found.integers(name)));
                }
            }
        }
    }

    /** The id of a token, or -1. */
    int id(String token) {
        return ids.getOrDefault(token, -1);
    }

    /** The token of an id, or null. */
    String token(int id) {
        return id >= 0 && id < tokens.size() ? (String) tokens.get(id) : null;
    }

    /** Rank (upper half) and id (lower half) of two ids merged, or -1 where they do not merge. */
    long merged(int left, int right) {
        return merges.getOrDefault(pair(left, right), -1L);
    }

    private static long pair(int high, int low) {
        return (long) high << 32 | low;
    }
}

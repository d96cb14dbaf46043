package dev.edgekit.core;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.PriorityQueue;

/** Byte pair encoding: the pair of lowest rank merges first, the leftmost among equals. */
final class Bpe implements Words {
    private final Vocabulary vocabulary;
    private final String continuing;
    private final String ending;
    private final int unknown;
    private final boolean byteFallback;
    private final boolean fuseUnknown;
    private final boolean ignoreMerges;

    Bpe(Node tokenizer, Vocabulary vocabulary) {
        this.vocabulary = vocabulary;
        continuing = tokenizer.text("continuing");
        ending = tokenizer.text("end_of_word");
        unknown = tokenizer.has("unk_id") ? tokenizer.integer("unk_id") : -1;
        byteFallback = tokenizer.flag("byte_fallback");
        fuseUnknown = tokenizer.flag("fuse_unk");
        ignoreMerges = tokenizer.flag("ignore_merges");
    }

    @Override
    public void ids(String word, List<Integer> out) {
        int whole = ignoreMerges ? vocabulary.id(word) : -1;
        if (whole >= 0) {
            out.add(whole);
            return;
        }
        // every UTF-8 byte may become an id
        int[] ids = new int[3 * word.length() + 1];
        int count = symbols(word, ids);
        merge(ids, count, out);
    }

    /** The characters of a word as ids, before any merge. */
    private int symbols(String word, int[] ids) {
        int count = 0;
        boolean joins = false; // the last was unknown, and the next joins it
        for (int at = 0; at < word.length(); ) {
            int end = word.offsetByCodePoints(at, 1);
            String letter = word.substring(at, end);
            int id = vocabulary.id(
                    (at == 0 ? "" : continuing) + letter + (end == word.length() ? ending : ""));
            int known = count;
            if (id >= 0) {
                ids[count++] = id;
            } else if (byteFallback) {
                count = bytes(letter, ids, count);
            }
            boolean isUnknown = known == count;
            if (isUnknown && unknown >= 0 && !joins) {
                ids[count++] = unknown;
            }
            joins = isUnknown && fuseUnknown;
            at = end;
        }
        return count;
    }

    /** A character as its bytes, if each of them is a token. */
    private int bytes(String letter, int[] ids, int from) {
        int count = from;
        for (byte b : letter.getBytes(StandardCharsets.UTF_8)) {
            int id = vocabulary.id(String.format("<0x%02X>", b & 0xff));
            if (id < 0) {
                return from;
            }
            ids[count++] = id;
        }
        return count;
    }

    private void merge(int[] ids, int count, List<Integer> out) {
        int[] next = new int[count];
        int[] last = new int[count];
        // rank, then place: both fit one number; what no longer stands is passed over
        PriorityQueue<Long> open = new PriorityQueue<>();
        for (int i = 0; i < count; i++) {
            next[i] = i + 1;
            last[i] = i - 1;
            offer(open, ids, i, i + 1, count);
        }
        while (!open.isEmpty()) {
            long best = open.poll();
            int at = (int) best;
            int right = ids[at] < 0 ? count : next[at];
            long merged = right < count ? vocabulary.merged(ids[at], ids[right]) : -1;
            if (merged < 0 || merged >>> 32 != best >>> 32) {
                continue;
            }
            ids[at] = (int) merged;
            ids[right] = -1;
            next[at] = next[right];
            if (next[at] < count) {
                last[next[at]] = at;
                offer(open, ids, at, next[at], count);
            }
            if (last[at] >= 0) {
                offer(open, ids, last[at], at, count);
            }
        }
        for (int i = 0; i < count; i = next[i]) {
            out.add(ids[i]);
        }
    }

    private void offer(PriorityQueue<Long> open, int[] ids, int left, int right, int count) {
        long merged = right < count ? vocabulary.merged(ids[left], ids[right]) : -1;
        if (merged >= 0) {
            open.add(merged >>> 32 << 32 | left);
        }
    }
}

package dev.edgekit.core;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** A text in pieces: what was hit and what lies between, joined as a behaviour says. */
final class Cut {
    private Cut() {}

    /**
     * Cuts a text.
     *
     * @param hits start and end of each hit, flat, ascending
     * @param behavior "removed", "isolated", "contiguous", "merged_with_previous" or
     *     "merged_with_next"
     * @param invert what lies between counts as hit
     */
    static List<String> text(String text, List<Integer> hits, String behavior, boolean invert) {
        List<String> parts = new ArrayList<>();
        List<Boolean> isHit = new ArrayList<>();
        int from = 0;
        for (int i = 0; i <= hits.size(); i += 2) {
            int start = i < hits.size() ? hits.get(i) : text.length();
            int end = i < hits.size() ? hits.get(i + 1) : text.length();
            if (start > from) {
                parts.add(text.substring(from, start));
                isHit.add(invert);
            }
            if (end > start) {
                parts.add(text.substring(start, end));
                isHit.add(!invert);
            }
            from = end;
        }
        return joined(parts, isHit, behavior);
    }

    private static List<String> joined(List<String> parts, List<Boolean> isHit, String behavior) {
        boolean backwards = behavior.equals("merged_with_next");
        if (backwards) {
            Collections.reverse(parts);
            Collections.reverse(isHit);
        }
        List<String> out = new ArrayList<>();
        Boolean last = null;
        for (int i = 0; i < parts.size(); i++) {
            boolean hit = isHit.get(i);
            if (behavior.equals("removed") && hit) {
                continue;
            }
            boolean joins = behavior.equals("contiguous")
                    ? last != null && hit == last
                    : behavior.startsWith("merged") && hit && Boolean.FALSE.equals(last);
            if (joins) {
                String before = out.remove(out.size() - 1);
                out.add(backwards ? parts.get(i) + before : before + parts.get(i));
            } else {
                out.add(parts.get(i));
            }
            last = hit;
        }
        if (backwards) {
            Collections.reverse(out);
        }
        return out;
    }
}

package dev.edgekit.core;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** One splitting step of a tokenizer; docs/bundle.md says what each does. */
interface Split {
    /** @param first whether the text stands at the very beginning */
    List<String> apply(String text, boolean first);

    /**
     * The step that a contract names.
     *
     * @param classes character classes of vocab.json, by name
     * @throws BundleException a step that this reader does not know
     */
    static Split of(Node step, Map<String, CharClass> classes) {
        CharClass punctuation = classes.getOrDefault("punctuation", CharClass.NONE);
        switch (step.text("op")) {
            case "bert":
                return (text, first) -> {
                    List<String> out = new ArrayList<>();
                    for (String word : Cut.text(text, hits(CharClass.SPACE, text), "removed", false)) {
                        out.addAll(Cut.text(word, hits(punctuation, word), "isolated", false));
                    }
                    return out;
                };
            case "bytes":
                return bytes(step.flag("prefix_space"), step.flag("regex"), new Shadow(classes));
            case "regex":
                Pattern pattern = Patterns.translate(step.text("pattern"));
                String behavior = step.text("behavior");
                boolean invert = step.flag("invert");
                Shadow shadow = new Shadow(classes);
                return (text, first) -> Cut.text(text, hits(pattern, shadow.of(text)), behavior, invert);
            case "metaspace":
                return metaspace(step.text("text"), step.text("prefix"), step.flag("split"));
            case "digits":
                String joined = step.flag("individual") ? "isolated" : "contiguous";
                return (text, first) -> Cut.text(text, hits(Patterns.NUMBER, text), joined, false);
            case "whitespace":
                return (text, first) -> words(text);
            case "punctuation":
                String kept = step.text("behavior");
                return (text, first) -> Cut.text(text, hits(punctuation, text), kept, false);
            default:
                throw new BundleException("the bundle needs the step '" + step.text("op") + "', which is unknown");
        }
    }

    private static Split bytes(boolean prefixSpace, boolean regex, Shadow shadow) {
        return (text, first) -> {
            String whole = prefixSpace && !text.startsWith(" ") ? " " + text : text;
            List<String> out = new ArrayList<>();
            for (String part : regex
                    ? Cut.text(whole, hits(Patterns.GPT2, shadow.of(whole)), "isolated", false)
                    : List.of(whole)) {
                out.add(ByteLetters.of(part.getBytes(StandardCharsets.UTF_8)));
            }
            return out;
        };
    }

    private static Split metaspace(String sign, String prefix, boolean split) {
        Pattern pattern = Pattern.compile(Pattern.quote(sign));
        return (text, first) -> {
            String whole = text.replace(" ", sign);
            boolean wanted = prefix.equals("always") || (prefix.equals("first") && first);
            if (wanted && !whole.startsWith(sign)) {
                whole = sign + whole;
            }
            return split ? Cut.text(whole, hits(pattern, whole), "merged_with_next", false) : List.of(whole);
        };
    }

    /** Runs of word characters, and runs of what is neither those nor space. */
    private static List<String> words(String text) {
        List<String> out = new ArrayList<>();
        int last = 0; // kind of the piece that is open: 0 none, 1 word, 2 other
        for (int c : text.codePoints().toArray()) {
            int kind = CharClass.SPACE.has(c) ? 0 : CharClass.isWord(c) ? 1 : 2;
            String letter = new String(Character.toChars(c));
            if (kind != 0 && kind == last) {
                out.set(out.size() - 1, out.get(out.size() - 1) + letter);
            } else if (kind != 0) {
                out.add(letter);
            }
            last = kind;
        }
        return out;
    }

    /** Ends of every match, flat. */
    private static List<Integer> hits(Pattern pattern, String text) {
        List<Integer> found = new ArrayList<>();
        Matcher matcher = pattern.matcher(text);
        while (matcher.find()) {
            Collections.addAll(found, matcher.start(), matcher.end());
        }
        return found;
    }

    private static List<Integer> hits(CharClass wanted, String text) {
        List<Integer> found = new ArrayList<>();
        for (int i = 0; i < text.length(); ) {
            int point = text.codePointAt(i);
            int end = i + Character.charCount(point);
            if (wanted.has(point)) {
                Collections.addAll(found, i, end);
            }
            i = end;
        }
        return found;
    }
}

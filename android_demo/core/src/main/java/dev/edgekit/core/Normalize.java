package dev.edgekit.core;

import java.text.Normalizer;
import java.util.Locale;
import java.util.Map;

/** One normalizing step of a tokenizer; docs/bundle.md says what each does. */
interface Normalize {
    String apply(String text);

    /**
     * The step that a contract names.
     *
     * @param classes character classes of vocab.json, by name
     * @throws BundleException a step that this reader does not know
     */
    static Normalize of(Node step, Map<String, CharClass> classes) {
        switch (step.text("op")) {
            case "bert":
                return bert(step, classes);
            case "nfc":
                return text -> Normalizer.normalize(text, Normalizer.Form.NFC);
            case "nfd":
                return text -> Normalizer.normalize(text, Normalizer.Form.NFD);
            case "nfkc":
                return text -> Normalizer.normalize(text, Normalizer.Form.NFKC);
            case "nfkd":
                return text -> Normalizer.normalize(text, Normalizer.Form.NFKD);
            case "lower":
                return Normalize::lower;
            case "strip_accents":
                return text -> without(text, classes.getOrDefault("combining", CharClass.NONE), "");
            case "prepend":
                String front = step.text("text");
                return text -> text.isEmpty() ? text : front + text;
            case "replace":
                String from = step.text("from");
                String to = step.text("to");
                return text -> text.replace(from, to);
            case "strip":
                boolean left = step.flag("left");
                boolean right = step.flag("right");
                return text -> strip(text, left, right);
            default:
                throw new BundleException("the bundle needs the step '" + step.text("op") + "', which is unknown");
        }
    }

    private static Normalize bert(Node step, Map<String, CharClass> classes) {
        boolean clean = step.flag("clean");
        boolean ideographs = step.flag("cjk");
        boolean accents = step.flag("strip_accents");
        boolean lower = step.flag("lower");
        CharClass control = classes.getOrDefault("control", CharClass.NONE);
        CharClass mark = classes.getOrDefault("mark", CharClass.NONE);
        return text -> {
            String now = clean ? without(text, control, "\t\n\r") : text;
            now = clean ? Patterns.SPACE.matcher(now).replaceAll(" ") : now;
            now = ideographs ? spaced(now) : now;
            now = accents ? without(Normalizer.normalize(now, Normalizer.Form.NFD), mark, "") : now;
            return lower ? lower(now) : now;
        };
    }

    private static String without(String text, CharClass dropped, String kept) {
        StringBuilder out = new StringBuilder(text.length());
        text.codePoints()
                .filter(c -> kept.indexOf(c) >= 0 || !dropped.has(c))
                .forEach(out::appendCodePoint);
        return out.toString();
    }

    private static String spaced(String text) {
        StringBuilder out = new StringBuilder(text.length());
        text.codePoints().forEach(c -> {
            if (CharClass.IDEOGRAPH.has(c)) {
                out.append(' ').appendCodePoint(c).append(' ');
            } else {
                out.appendCodePoint(c);
            }
        });
        return out.toString();
    }

    /** Each code point by itself: no final sigma, no locale. */
    private static String lower(String text) {
        StringBuilder out = new StringBuilder(text.length());
        text.codePoints()
                .forEach(c -> out.append(new String(Character.toChars(c)).toLowerCase(Locale.ROOT)));
        return out.toString();
    }

    /** The text without white space at its ends. */
    static String strip(String text, boolean left, boolean right) {
        int from = 0;
        int to = text.length();
        while (left && from < to && CharClass.SPACE.has(text.charAt(from))) {
            from++;
        }
        while (right && to > from && CharClass.SPACE.has(text.charAt(to - 1))) {
            to--;
        }
        return text.substring(from, to);
    }
}

package dev.edgekit.core;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A JSON reader (RFC 8259): objects become maps in their order, arrays lists, numbers doubles.
 *
 * <p>Android has org.json, a plain JVM has not; this one is the same on both.
 */
public final class Json {
    /** Deeper nesting than any bundle has would only exhaust the stack. */
    private static final int DEEPEST = 64;

    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    /**
     * Reads one value.
     *
     * @throws BundleException the text is no JSON
     */
    public static Object parse(String text) {
        Json reader = new Json(text);
        Object value = reader.value(0);
        reader.skipSpace();
        if (reader.at != text.length()) {
            throw reader.wrong("nothing more");
        }
        return value;
    }

    private Object value(int depth) {
        skipSpace();
        if (depth > DEEPEST || at == text.length()) {
            throw wrong("a value");
        }
        switch (text.charAt(at)) {
            case '{':
                return object(depth);
            case '[':
                return array(depth);
            case '"':
                return string();
            case 't':
                return word("true", Boolean.TRUE);
            case 'f':
                return word("false", Boolean.FALSE);
            case 'n':
                return word("null", null);
            default:
                return number();
        }
    }

    private Map<String, Object> object(int depth) {
        Map<String, Object> found = new LinkedHashMap<>();
        at++;
        if (!closes('}')) {
            do {
                skipSpace();
                String key = string();
                skipSpace();
                expect(':');
                found.put(key, value(depth + 1));
            } while (continues('}'));
        }
        return found;
    }

    private List<Object> array(int depth) {
        List<Object> found = new ArrayList<>();
        at++;
        if (!closes(']')) {
            do {
                found.add(value(depth + 1));
            } while (continues(']'));
        }
        return found;
    }

    private boolean closes(char end) {
        skipSpace();
        if (at < text.length() && text.charAt(at) == end) {
            at++;
            return true;
        }
        return false;
    }

    /** Whether a comma follows; else the end must. */
    private boolean continues(char end) {
        if (closes(end)) {
            return false;
        }
        expect(',');
        return true;
    }

    private String string() {
        expect('"');
        StringBuilder out = new StringBuilder();
        while (true) {
            int end = at;
            while (end < text.length() && "\"\\".indexOf(text.charAt(end)) < 0 && text.charAt(end) >= ' ') {
                end++;
            }
            out.append(text, at, end);
            at = end;
            if (at == text.length() || text.charAt(at) < ' ') {
                throw wrong("the end of a string");
            }
            if (text.charAt(at++) == '"') {
                return out.toString();
            }
            out.append(escaped());
        }
    }

    private char escaped() {
        char kind = at < text.length() ? text.charAt(at++) : ' ';
        int plain = "\"\\/bfnrt".indexOf(kind);
        if (plain >= 0) {
            return "\"\\/\b\f\n\r\t".charAt(plain);
        }
        if (kind != 'u' || at + 4 > text.length()) {
            throw wrong("an escape");
        }
        try {
            char found = (char) Integer.parseInt(text.substring(at, at + 4), 16);
            at += 4;
            return found;
        } catch (NumberFormatException error) {
            throw wrong("four hexadecimal digits");
        }
    }

    private Double number() {
        int end = at;
        while (end < text.length() && "+-0123456789.eE".indexOf(text.charAt(end)) >= 0) {
            end++;
        }
        try {
            Double found = Double.valueOf(text.substring(at, end));
            at = end;
            return found;
        } catch (NumberFormatException error) {
            throw wrong("a number");
        }
    }

    private Object word(String word, Object value) {
        if (!text.startsWith(word, at)) {
            throw wrong(word);
        }
        at += word.length();
        return value;
    }

    private void expect(char c) {
        if (at == text.length() || text.charAt(at) != c) {
            throw wrong("'" + c + "'");
        }
        at++;
    }

    private void skipSpace() {
        while (at < text.length() && " \t\n\r".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private BundleException wrong(String expected) {
        return new BundleException("no JSON: " + expected + " is expected at character " + at);
    }
}

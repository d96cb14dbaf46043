package dev.edgekit.core;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Ids to text, by the steps of the contract, as the tokenizers library does it. */
public final class Decoder {
    private static final Map<Character, Byte> BYTES = new HashMap<>();

    static {
        for (int value = 0; value < 256; value++) {
            BYTES.put(ByteLetters.of(new byte[] {(byte) value}).charAt(0), (byte) value);
        }
    }

    private final Vocabulary vocabulary;
    private final Set<Integer> special = new HashSet<>();
    private final List<Node> steps;

    Decoder(Node tokenizer, Vocabulary vocabulary) {
        this.vocabulary = vocabulary;
        steps = tokenizer.nodes("decode");
        for (Node token : tokenizer.nodes("added")) {
            if (token.flag("special")) {
                special.add(token.integer("id"));
            }
        }
    }

    /** The text of tokens; special ones have none. */
    public String text(List<Integer> ids) {
        List<String> parts = new ArrayList<>();
        for (int id : ids) {
            String token = special.contains(id) ? null : vocabulary.token(id);
            if (token != null) {
                parts.add(token);
            }
        }
        for (Node step : steps) {
            parts = applied(step, parts);
        }
        return String.join("", parts);
    }

    /** Whether a token is a byte by itself: bytes in a row are decoded together. */
    boolean isByte(int id) {
        return byteOf(vocabulary.token(id)) >= 0;
    }

    private static List<String> applied(Node step, List<String> parts) {
        switch (step.text("op")) {
            case "fuse":
                return List.of(String.join("", parts));
            case "byte_fallback":
                return joinedBytes(parts);
            case "bytes":
                return List.of(letters(parts));
            default:
                List<String> out = new ArrayList<>();
                for (String part : parts) {
                    out.add(changed(step, part, out.isEmpty()));
                }
                return out;
        }
    }

    private static String changed(Node step, String part, boolean first) {
        switch (step.text("op")) {
            case "replace":
                return part.replace(step.text("from"), step.text("to"));
            case "strip":
                return stripped(part, step.text("text"), step.integer("start"), step.integer("stop"));
            case "metaspace":
                return part.replace(step.text("text"), first && step.flag("drop_first") ? "" : " ");
            default:
                throw new BundleException("the decoding step '" + step.text("op") + "' is unknown");
        }
    }

    private static String stripped(String part, String text, int start, int stop) {
        String now = part;
        for (int i = 0; i < start && now.startsWith(text); i++) {
            now = now.substring(text.length());
        }
        for (int i = 0; i < stop && now.endsWith(text); i++) {
            now = now.substring(0, now.length() - text.length());
        }
        return now;
    }

    /** Runs of byte tokens become letters, or as many replacement characters where they are none. */
    private static List<String> joinedBytes(List<String> parts) {
        List<String> out = new ArrayList<>();
        List<Byte> run = new ArrayList<>();
        for (String part : parts) {
            int value = byteOf(part);
            if (value >= 0) {
                run.add((byte) value);
                continue;
            }
            flush(run, out);
            out.add(part);
        }
        flush(run, out);
        return out;
    }

    private static void flush(List<Byte> run, List<String> out) {
        if (run.isEmpty()) {
            return;
        }
        byte[] bytes = new byte[run.size()];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = run.get(i);
        }
        try {
            out.add(StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString());
        } catch (CharacterCodingException error) {
            for (int i = 0; i < bytes.length; i++) {
                out.add("\ufffd");
            }
        }
        run.clear();
    }

    /** The byte that "&lt;0x0A&gt;" stands for, or -1. */
    private static int byteOf(String token) {
        if (token == null || token.length() != 6 || !token.startsWith("<0x") || !token.endsWith(">")) {
            return -1;
        }
        int high = Character.digit(token.charAt(3), 16);
        int low = Character.digit(token.charAt(4), 16);
        return high < 0 || low < 0 ? -1 : 16 * high + low;
    }

    /** Letters that stand for bytes, as text; a token with another letter is text itself. */
    private static String letters(List<String> parts) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (String part : parts) {
            byte[] found = new byte[part.length()];
            for (int i = 0; i < part.length(); i++) {
                Byte value = BYTES.get(part.charAt(i));
                if (value == null) {
                    found = part.getBytes(StandardCharsets.UTF_8);
                    break;
                }
                found[i] = value;
            }
            bytes.write(found, 0, found.length);
        }
        return new String(bytes.toByteArray(), StandardCharsets.UTF_8);
    }
}

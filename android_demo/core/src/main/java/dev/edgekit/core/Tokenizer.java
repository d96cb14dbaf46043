package dev.edgekit.core;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Text to ids by a bundle's contract and vocabulary, as the tokenizers library does it. */
public final class Tokenizer {
    private final Contract contract;
    private final List<Normalize> normalize = new ArrayList<>();
    private final List<Split> split = new ArrayList<>();
    private final AddedTokens raw = new AddedTokens();
    private final AddedTokens normalized = new AddedTokens();
    private final Words words;
    private final List<Node> single;
    private final List<Node> pair;
    private final boolean cutsLeft;
    private final Decoder decoder;

    /**
     * Builds the steps that the contract names.
     *
     * @param vocabulary the content of vocab.json
     * @throws BundleException a step or kind that this reader does not know
     */
    public Tokenizer(Contract contract, Object vocabulary) {
        this.contract = contract;
        Node node = contract.tokenizer();
        Vocabulary known = new Vocabulary(vocabulary);
        for (Node step : node.nodes("normalize")) {
            normalize.add(Normalize.of(step, known.classes));
        }
        for (Node step : node.nodes("split")) {
            split.add(Split.of(step, known.classes));
        }
        for (Node token : node.nodes("added")) {
            boolean later = token.flag("normalized");
            String text = token.text("text");
            (later ? normalized : raw).add(later ? normalize(text) : text, token);
        }
        words = Words.of(node, known);
        single = node.nodes("single");
        pair = node.nodes("pair");
        cutsLeft = node.text("truncation_side").equals("left");
        decoder = node.has("decode") ? new Decoder(node, known) : null;
    }

    /** A text as ids, cut to the contract's length, not filled up. */
    public Row encode(String text) {
        return encode(text, null);
    }

    /** A text and a second one, or null, as ids. */
    public Row encode(String text, String second) {
        List<Node> template = second == null ? single : pair;
        int special = 0;
        for (Node step : template) {
            special += step.has("id") ? 1 : 0;
        }
        List<Integer> a = ids(text);
        List<Integer> b = second == null ? new ArrayList<>() : ids(second);
        cut(a, b, contract.maxLength() - special);
        return row(template, a, b);
    }

    /** A prompt as ids, special ones included, however many there are: none is ever cut. */
    public long[] prompt(String text) {
        return row(single, ids(text), new ArrayList<>()).ids();
    }

    /**
     * Ids to text.
     *
     * @throws BundleException the model generates no text, and its bundle does not say how
     */
    public Decoder decoder() {
        if (decoder == null) {
            throw new BundleException("the bundle does not say how ids become text");
        }
        return decoder;
    }

    private Row row(List<Node> template, List<Integer> a, List<Integer> b) {
        List<Integer> ids = new ArrayList<>();
        List<Integer> types = new ArrayList<>();
        for (Node step : template) {
            if (step.has("id")) {
                ids.add(step.integer("id"));
            } else {
                ids.addAll(step.text("text").equals("a") ? a : b);
            }
            while (types.size() < ids.size()) {
                types.add(step.integer("type"));
            }
        }
        if (ids.isEmpty()) { // no model takes zero tokens
            ids.add(contract.padId());
            types.add(0);
        }
        long[] ones = new long[ids.size()];
        Arrays.fill(ones, 1);
        return new Row(longs(ids), ones, longs(types));
    }

    private String normalize(String text) {
        String now = text;
        for (Normalize step : normalize) {
            now = step.apply(now);
        }
        return now;
    }

    private List<Integer> ids(String text) {
        List<AddedTokens.Piece> pieces = new ArrayList<>();
        for (AddedTokens.Piece piece : raw.cut(text)) {
            if (piece.isToken()) {
                pieces.add(piece);
            } else {
                pieces.addAll(normalized.cut(normalize(piece.text)));
            }
        }
        List<Integer> out = new ArrayList<>();
        for (int i = 0; i < pieces.size(); i++) {
            AddedTokens.Piece piece = pieces.get(i);
            if (piece.isToken()) {
                out.add(piece.id);
                continue;
            }
            for (String word : split(piece.text, i == 0)) {
                if (!word.isEmpty()) {
                    words.ids(word, out);
                }
            }
        }
        return out;
    }

    private List<String> split(String text, boolean first) {
        List<String> now = List.of(text);
        for (Split step : split) {
            List<String> parts = new ArrayList<>();
            for (int i = 0; i < now.size(); i++) {
                parts.addAll(step.apply(now.get(i), first && i == 0));
            }
            now = parts;
        }
        return now;
    }

    /** The longer text loses first, as the library cuts pairs. */
    private void cut(List<Integer> a, List<Integer> b, int room) {
        int less = Math.min(a.size(), b.size());
        int more = Math.max(a.size(), b.size());
        if (less + more > room) {
            more = less > room ? less : Math.max(less, room - less);
            if (less + more > room) {
                less = room / 2;
                more = room / 2 + room % 2;
            }
        }
        boolean longer = a.size() > b.size();
        shorten(a, longer ? more : less);
        shorten(b, longer ? less : more);
    }

    private void shorten(List<Integer> ids, int length) {
        int gone = Math.max(0, ids.size() - length);
        ids.subList(cutsLeft ? 0 : ids.size() - gone, cutsLeft ? gone : ids.size()).clear();
    }

    private static long[] longs(List<Integer> values) {
        long[] out = new long[values.size()];
        for (int i = 0; i < out.length; i++) {
            out[i] = values.get(i);
        }
        return out;
    }
}

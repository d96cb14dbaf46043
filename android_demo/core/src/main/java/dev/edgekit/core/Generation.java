package dev.edgekit.core;

import java.util.ArrayList;
import java.util.List;

/** What a language model's runner and writer must know: the contract's "generation". */
public final class Generation {
    /** A tensor of the cache: float32 [1, heads, tokens, size]. */
    public static final class Cached {
        private final String past;
        private final String present;
        private final int heads;
        private final int size;

        Cached(Node node) {
            past = node.text("past");
            present = node.text("present");
            int[] shape = node.integers("shape");
            if (shape.length != 2) {
                throw new BundleException("contract.json: the shape of '" + past + "' is not [heads, size]");
            }
            heads = shape[0];
            size = shape[1];
        }

        /** Name of the input that holds it before a step. */
        public String past() {
            return past;
        }

        /** Name of the output that holds it after a step. */
        public String present() {
            return present;
        }

        /** Heads. */
        public int heads() {
            return heads;
        }

        /** Values per head and token. */
        public int size() {
            return size;
        }
    }

    private final int context;
    private final int vocabulary;
    private final int[] ends;
    private final String logitsAt;
    private final List<Cached> cache = new ArrayList<>();

    Generation(Node node) {
        context = node.integer("context");
        vocabulary = node.integer("vocabulary");
        ends = node.integers("eos_ids");
        logitsAt = node.text("logits_at");
        for (Node tensor : node.nodes("cache")) {
            cache.add(new Cached(tensor));
        }
    }

    /** Tokens that the cache holds, the prompt's included. */
    public int context() {
        return context;
    }

    /** Logits per token. */
    public int vocabulary() {
        return vocabulary;
    }

    /** Whether a token ends a text. */
    public boolean ends(int id) {
        for (int end : ends) {
            if (end == id) {
                return true;
            }
        }
        return false;
    }

    /** Name of the input with the positions whose logits are wanted: int64, of the new tokens. */
    public String logitsAt() {
        return logitsAt;
    }

    /** The cache's tensors. */
    public List<Cached> cache() {
        return cache;
    }
}

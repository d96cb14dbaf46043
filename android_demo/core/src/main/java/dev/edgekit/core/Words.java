package dev.edgekit.core;

import java.util.List;

/** A word as ids: what comes after normalizing and splitting. */
interface Words {
    void ids(String word, List<Integer> out);

    /** @throws BundleException a kind of model that this reader does not know */
    static Words of(Node tokenizer, Vocabulary vocabulary) {
        switch (tokenizer.text("kind")) {
            case "wordpiece":
                return new WordPiece(tokenizer, vocabulary);
            case "bpe":
                return new Bpe(tokenizer, vocabulary);
            default:
                throw new BundleException("tokenizers of kind '" + tokenizer.text("kind") + "' are unknown");
        }
    }
}

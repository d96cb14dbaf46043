package dev.edgekit.core;

/** A runtime with a language model and its cache in it. */
public interface LanguageRunner extends AutoCloseable {
    /** Empties the cache: the next token is the first. */
    void reset();

    /**
     * Runs tokens behind those in the cache, and keeps their keys and values.
     *
     * @param ids one token or more
     * @return logits behind the last of them, one per token of the vocabulary
     */
    float[] feed(long[] ids);

    @Override
    void close();
}

package dev.edgekit.core;

/** A runtime with a model file in it. */
public interface Runner extends AutoCloseable {
    /**
     * Runs one example.
     *
     * @param row its inputs, not filled up; a runner of a TFLite file fills up to a bucket
     * @return the first output's values, float32: an embedding, or logits
     */
    float[] run(Row row);

    @Override
    void close();
}

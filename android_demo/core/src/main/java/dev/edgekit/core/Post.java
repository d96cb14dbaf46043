package dev.edgekit.core;

import java.util.ArrayList;
import java.util.List;

/** What is left to do with a model's outputs. */
public final class Post {
    /** A label and its probability. */
    public static final class Scored {
        private final String label;
        private final double score;

        Scored(String label, double score) {
            this.label = label;
            this.score = score;
        }

        /** As the source names it. */
        public String label() {
            return label;
        }

        /** 0 to 1 after softmax or sigmoid, else the raw value. */
        public double score() {
            return score;
        }
    }

    private Post() {}

    /** Probabilities that sum to 1. */
    public static double[] softmax(float[] logits) {
        double largest = Double.NEGATIVE_INFINITY;
        for (float value : logits) {
            largest = Math.max(largest, value);
        }
        double[] out = new double[logits.length];
        double total = 0;
        for (int i = 0; i < out.length; i++) {
            out[i] = Math.exp(logits[i] - largest);
            total += out[i];
        }
        for (int i = 0; i < out.length; i++) {
            out[i] /= total;
        }
        return out;
    }

    /** Each value by itself as a probability. */
    public static double[] sigmoid(float[] logits) {
        double[] out = new double[logits.length];
        for (int i = 0; i < out.length; i++) {
            out[i] = 1 / (1 + Math.exp(-logits[i]));
        }
        return out;
    }

    /** The likeliest labels, the first first. */
    public static List<Scored> top(float[] logits, Contract contract, int count) {
        double[] scores;
        switch (contract.activation()) {
            case "softmax":
                scores = softmax(logits);
                break;
            case "sigmoid":
                scores = sigmoid(logits);
                break;
            default:
                scores = new double[logits.length];
                for (int i = 0; i < scores.length; i++) {
                    scores[i] = logits[i];
                }
        }
        List<String> labels = contract.labels();
        List<Scored> found = new ArrayList<>();
        for (int i = 0; i < scores.length; i++) {
            found.add(new Scored(i < labels.size() ? labels.get(i) : String.valueOf(i), scores[i]));
        }
        found.sort((a, b) -> Double.compare(b.score, a.score));
        return found.subList(0, Math.min(count, found.size()));
    }

    /** 1 for the same direction, 0 for none in common, -1 for opposite ones. */
    public static double cosine(float[] a, float[] b) {
        double both = 0;
        double left = 0;
        double right = 0;
        for (int i = 0; i < a.length; i++) {
            both += (double) a[i] * b[i];
            left += (double) a[i] * a[i];
            right += (double) b[i] * b[i];
        }
        return both / Math.sqrt(left * right);
    }
}

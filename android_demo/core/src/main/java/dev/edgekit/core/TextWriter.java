package dev.edgekit.core;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Consumer;

/**
 * Lets a language model write on behind a prompt, greedy or by chance among the best tokens.
 *
 * <p>Penalties and other rules of the checkpoint's own defaults are in contract.json, and are not
 * applied here.
 */
public final class TextWriter {
    /** How tokens are chosen, and how many. */
    public static final class Settings {
        private final int most;
        private final int topK;
        private final double temperature;
        private final long seed;

        private Settings(int most, int topK, double temperature, long seed) {
            if (most < 1 || topK < 1 || !(temperature > 0) || Double.isInfinite(temperature)) {
                throw new IllegalArgumentException("tokens, k and temperature are above 0");
            }
            this.most = most;
            this.topK = topK;
            this.temperature = temperature;
            this.seed = seed;
        }

        /** Always the best token. */
        public static Settings greedy(int most) {
            return new Settings(most, 1, 1, 0);
        }

        /** Drawn from the k best tokens; the same seed gives the same text. */
        public static Settings topK(int most, int k, double temperature, long seed) {
            return new Settings(most, k, temperature, seed);
        }
    }

    /** Why a text ended. */
    public enum Finished {
        /** An end token came. */
        END,
        /** As many tokens as were asked for. */
        LENGTH,
        /** The cache is full. */
        CACHE
    }

    /** A text behind its prompt. */
    public static final class Written {
        private final String text;
        private final List<Integer> ids;
        private final Finished finished;

        Written(String text, List<Integer> ids, Finished finished) {
            this.text = text;
            this.ids = ids;
            this.finished = finished;
        }

        /** Without the prompt; prompt and text together are the whole, spaces included. */
        public String text() {
            return text;
        }

        /** Its tokens, the one that ended it included. */
        public List<Integer> ids() {
            return ids;
        }

        /** Why it ended. */
        public Finished finished() {
            return finished;
        }
    }

    private final Tokenizer tokenizer;
    private final Generation about;
    private final LanguageRunner runner;

    /**
     * Prepares.
     *
     * @param runner with the bundle's model in it; a writer uses its cache alone
     * @throws BundleException the bundle generates no text
     */
    public TextWriter(Bundle bundle, LanguageRunner runner) {
        tokenizer = bundle.tokenizer();
        about = bundle.contract().generation();
        this.runner = runner;
    }

    /**
     * Writes on.
     *
     * @param told gets each piece of text as soon as it is settled
     * @throws BundleException the prompt does not fit the cache, or the model gives NaN
     */
    public Written write(String prompt, Settings settings, Consumer<String> told) {
        long[] ids = tokenizer.prompt(prompt);
        if (ids.length > about.context()) {
            throw new BundleException("the prompt has " + ids.length + " tokens, " + about.context() + " fit");
        }
        // the last token is never fed: it needs no place
        int room = about.context() - ids.length + 1;
        TextPieces pieces = new TextPieces(tokenizer.decoder(), ids);
        StringBuilder text = new StringBuilder();
        List<Integer> written = new ArrayList<>();
        // mixes its seed: java.util.Random draws nearly the same first number for all small ones
        SplittableRandom chance = new SplittableRandom(settings.seed);
        Finished finished = null;
        runner.reset();
        for (long[] next = ids; finished == null; ) {
            int id = choose(checked(runner.feed(next)), settings, chance);
            written.add(id);
            if (about.ends(id)) {
                finished = Finished.END;
            } else {
                tell(pieces.push(id), text, told);
                if (written.size() == Math.min(room, settings.most)) {
                    finished = settings.most <= room ? Finished.LENGTH : Finished.CACHE;
                }
            }
            next = new long[] {id};
        }
        tell(pieces.finish(), text, told);
        return new Written(text.toString(), written, finished);
    }

    private static void tell(String piece, StringBuilder text, Consumer<String> told) {
        if (!piece.isEmpty()) {
            text.append(piece);
            told.accept(piece);
        }
    }

    private float[] checked(float[] logits) {
        if (logits.length != about.vocabulary()) {
            throw new BundleException(logits.length + " logits, " + about.vocabulary() + " expected");
        }
        for (float value : logits) {
            if (Float.isNaN(value) || Float.isInfinite(value)) {
                throw new BundleException("the model gives logits that are no numbers");
            }
        }
        return logits;
    }

    private static int choose(float[] logits, Settings settings, SplittableRandom chance) {
        int best = 0;
        for (int i = 1; i < logits.length; i++) {
            if (logits[i] > logits[best]) {
                best = i;
            }
        }
        if (settings.topK == 1) {
            return best;
        }
        float[] sorted = logits.clone();
        Arrays.sort(sorted);
        // tokens as good as the k-th stay
        float least = sorted[Math.max(0, sorted.length - settings.topK)];
        double[] weights = new double[logits.length];
        double total = 0;
        for (int i = 0; i < logits.length; i++) {
            if (logits[i] >= least) {
                weights[i] = Math.exp(((double) logits[i] - logits[best]) / settings.temperature);
                total += weights[i];
            }
        }
        double left = chance.nextDouble() * total;
        for (int i = 0; i < weights.length; i++) {
            left -= weights[i];
            if (left < 0 && weights[i] > 0) {
                return i;
            }
        }
        return best;
    }
}

package dev.edgekit.core;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNotEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.io.File;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.Test;

/** Language models through onnxruntime's C library tell what Python tells, token by token. */
public class WritingTest {
    private final File library = Given.folder("edgekit.onnxruntime");
    private final File[] folders = Given.folder("edgekit.stories").listFiles(File::isDirectory);

    @Test
    public void greedyTextsArePythons() {
        assertTrue("no bundles", folders != null && folders.length > 0);
        for (File folder : folders) {
            Bundle bundle = Bundle.open(folder);
            int texts = 0;
            int tokens = 0;
            try (LanguageRunner runner = new OrtLanguage(library, bundle)) {
                TextWriter writer = new TextWriter(bundle, runner);
                for (Node one : expected(folder).nodes("written")) {
                    List<String> pieces = new ArrayList<>();
                    TextWriter.Written found = writer.write(one.text("prompt"),
                            TextWriter.Settings.greedy(one.integer("most")), pieces::add);
                    assertArrayEquals(one.integers("ids"), ints(found.ids()));
                    assertEquals(one.text("text"), found.text());
                    assertEquals(one.text("text"), String.join("", pieces));
                    assertEquals(one.text("finished"), found.finished().name());
                    texts++;
                    tokens += found.ids().size();
                }
            }
            System.out.printf("written %s %d %d%n", folder.getName(), texts, tokens);
        }
    }

    @Test
    public void idsAndTextsArePythons() {
        for (File folder : folders) {
            Tokenizer tokenizer = Bundle.open(folder).tokenizer();
            int count = 0;
            for (Node one : expected(folder).nodes("encoded")) {
                long[] ids = Arrays.stream(one.integers("ids")).asLongStream().toArray();
                assertArrayEquals(one.text("text"), ids, tokenizer.prompt(one.text("text")));
                count++;
            }
            for (Node one : expected(folder).nodes("decoded")) {
                List<Integer> ids = new ArrayList<>();
                TextPieces pieces = new TextPieces(tokenizer.decoder(), new long[0]);
                StringBuilder streamed = new StringBuilder();
                for (int id : one.integers("ids")) {
                    ids.add(id);
                    streamed.append(pieces.push(id));
                }
                streamed.append(pieces.finish());
                assertEquals(ids.toString(), one.text("text"), tokenizer.decoder().text(ids));
                assertEquals(ids.toString(), one.text("text"), streamed.toString());
                count++;
            }
            System.out.printf("tokenized %s %d%n", folder.getName(), count);
        }
    }

    @Test
    public void chanceIsSeededAndKeepsToTheBest() {
        for (File folder : folders) {
            Bundle bundle = Bundle.open(folder);
            String prompt = expected(folder).nodes("written").get(0).text("prompt");
            try (LanguageRunner runner = new OrtLanguage(library, bundle)) {
                TextWriter writer = new TextWriter(bundle, runner);
                List<Integer> first = drawn(writer, prompt, 3, 5);
                assertEquals(first, drawn(writer, prompt, 3, 5));
                assertNotEquals(first, drawn(writer, prompt, 3, 6));
                // every first token is one of the three best
                runner.reset();
                float[] logits = runner.feed(bundle.tokenizer().prompt(prompt));
                float[] sorted = logits.clone();
                Arrays.sort(sorted);
                Set<Integer> seen = new HashSet<>();
                for (int seed = 0; seed < 30; seed++) {
                    int id = drawn(writer, prompt, 3, seed).get(0);
                    assertTrue(logits[id] >= sorted[sorted.length - 3]);
                    seen.add(id);
                }
                assertTrue(seen.size() > 1);
            }
        }
    }

    @Test
    public void selfTestSeesAnotherModel() {
        for (File folder : folders) {
            Bundle bundle = Bundle.open(folder);
            try (LanguageRunner runner = new OrtLanguage(library, bundle)) {
                SelfTest.Outcome outcome = bundle.selfTest().run(runner);
                assertTrue(outcome.toString(), outcome.passed());
                assertFalse(bundle.selfTest().run(forgetful(runner)).passed());
            }
        }
    }

    /** Never keeps what it was fed: what a cache that is wired wrongly does. */
    private static LanguageRunner forgetful(LanguageRunner runner) {
        return new LanguageRunner() {
            @Override
            public void reset() {
                runner.reset();
            }

            @Override
            public float[] feed(long[] ids) {
                runner.reset();
                return runner.feed(ids);
            }

            @Override
            public void close() {}
        };
    }

    @Test
    public void refusesWhatDoesNotFitAndWhatIsNoNumber() {
        Bundle bundle = Bundle.open(folders[0]);
        LanguageRunner broken = new LanguageRunner() {
            @Override
            public void reset() {}

            @Override
            public float[] feed(long[] ids) {
                float[] logits = new float[bundle.contract().generation().vocabulary()];
                logits[3] = Float.NaN;
                return logits;
            }

            @Override
            public void close() {}
        };
        TextWriter writer = new TextWriter(bundle, broken);
        TextWriter.Settings settings = TextWriter.Settings.greedy(4);
        BundleException error =
                assertThrows(BundleException.class, () -> writer.write("a", settings, piece -> {}));
        assertEquals("the model gives logits that are no numbers", error.getMessage());
        StringBuilder endless = new StringBuilder();
        for (int i = 0; i <= bundle.contract().generation().context(); i++) {
            endless.append("a b ");
        }
        error = assertThrows(BundleException.class,
                () -> writer.write(endless.toString(), settings, piece -> {}));
        assertTrue(error.getMessage(), error.getMessage().startsWith("the prompt has "));
        assertThrows(IllegalArgumentException.class, () -> TextWriter.Settings.topK(4, 5, 0, 1));
    }

    private static List<Integer> drawn(TextWriter writer, String prompt, int k, long seed) {
        return writer.write(prompt, TextWriter.Settings.topK(12, k, 50, seed), piece -> {}).ids();
    }

    private static int[] ints(List<Integer> values) {
        return values.stream().mapToInt(Integer::intValue).toArray();
    }

    private static Node expected(File folder) {
        File file = new File(folder.getPath() + ".json");
        return Node.of(Json.parse(Given.text(file)), "expected");
    }
}

package dev.edgekit.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;

import java.io.File;
import java.util.List;
import org.junit.Test;

/** Real exported files through onnxruntime's C library, against the same files run by Python. */
public class EmbeddingTest {
    private static final double CLOSE = 1e-5;

    private final File library = Given.folder("edgekit.onnxruntime");
    private final File[] folders = Given.folder("edgekit.bundles").listFiles(File::isDirectory);

    @Test
    public void outputsArePythons() {
        assertTrue("no bundles", folders != null && folders.length > 0);
        for (File folder : folders) {
            Bundle bundle = Bundle.open(folder);
            double worst = 0;
            int texts = 0;
            try (Runner runner = new OrtC(library, bundle)) {
                for (Node one : expected(folder)) {
                    float[] found = runner.run(bundle.tokenizer().encode(one.text("text")));
                    List<?> want = one.list("output");
                    assertEquals(want.size(), found.length);
                    for (int i = 0; i < found.length; i++) {
                        worst = Math.max(worst, Math.abs(found[i] - (Double) want.get(i)));
                    }
                    texts++;
                }
            }
            System.out.printf("embeddings %s %d %.2e%n", folder.getName(), texts, worst);
            assertTrue(folder.getName() + ": " + worst, worst <= CLOSE);
        }
    }

    @Test
    public void selfTestPassesOnThisDevice() {
        for (File folder : folders) {
            Bundle bundle = Bundle.open(folder);
            try (Runner runner = new OrtC(library, bundle)) {
                SelfTest.Outcome outcome = bundle.selfTest().run(runner);
                assertTrue(folder.getName() + ": " + outcome, outcome.passed());
            }
        }
    }

    @Test
    public void selfTestFailsOnAnotherModel() {
        for (File folder : folders) {
            Bundle bundle = Bundle.open(folder);
            try (Runner runner = new OrtC(library, bundle)) {
                Runner wrong = new Runner() {
                    @Override
                    public float[] run(Row row) {
                        float[] found = runner.run(row);
                        for (int i = 0; i < found.length; i += 2) {
                            found[i] = -found[i];
                        }
                        return found;
                    }

                    @Override
                    public void close() {}
                };
                assertFalse(bundle.selfTest().run(wrong).passed());
                Runner broken = new Runner() {
                    @Override
                    public float[] run(Row row) {
                        float[] found = runner.run(row);
                        found[0] = Float.NaN;
                        return found;
                    }

                    @Override
                    public void close() {}
                };
                assertFalse(bundle.selfTest().run(broken).passed());
            }
        }
    }

    private static List<Node> expected(File folder) {
        File file = new File(folder.getPath() + ".json");
        return Node.of(Json.parse(Given.text(file)), "expected").nodes("cases");
    }
}

package dev.edgekit.demo;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNotEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import dev.edgekit.core.BundleException;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.Map;
import java.util.TreeMap;
import org.junit.Rule;
import org.junit.Test;
import org.junit.rules.TemporaryFolder;

/** Copies are whole or absent, made once, and replaced with the app's bundle. */
public class BundleStoreTest {
    /** Where copies go. */
    @Rule public final TemporaryFolder place = new TemporaryFolder();

    private final Map<String, String> packed = new TreeMap<>();
    private int opened;
    private String broken = "";

    private final AssetSource assets = new AssetSource() {
        @Override
        public String[] list(String folder) {
            return folder.equals("model") ? packed.keySet().toArray(new String[0]) : new String[0];
        }

        @Override
        public InputStream open(String path) throws IOException {
            opened++;
            String name = path.substring("model/".length());
            if (name.equals(broken)) {
                throw new IOException("no room");
            }
            return new ByteArrayInputStream(packed.get(name).getBytes(StandardCharsets.UTF_8));
        }
    };

    private BundleStore store() {
        packed.putIfAbsent("contract.json", "{}");
        packed.putIfAbsent("model.onnx", "weights");
        return new BundleStore(assets, new File(place.getRoot(), "bundles"));
    }

    private static String text(File folder, String name) throws IOException {
        return new String(Files.readAllBytes(new File(folder, name).toPath()), StandardCharsets.UTF_8);
    }

    @Test
    public void copiesOnceUnderTheSha256OfTheContract() throws IOException {
        File first = store().folder("model");
        assertEquals("44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", first.getName());
        assertEquals("weights", text(first, "model.onnx"));
        opened = 0;
        assertEquals(first, store().folder("model"));
        assertEquals("only the contract is read again", 1, opened);
    }

    @Test
    public void anotherBundleTakesThePlaceOfTheOld() throws IOException {
        File old = store().folder("model");
        packed.put("contract.json", "{\"schema\": 1}");
        packed.put("model.onnx", "other weights");
        File now = store().folder("model");
        assertNotEquals(old, now);
        assertFalse(old.exists());
        assertEquals("other weights", text(now, "model.onnx"));
    }

    @Test
    public void anInterruptedCopyIsNotTaken() throws IOException {
        broken = "model.onnx";
        assertThrows(IOException.class, () -> store().folder("model"));
        broken = "";
        File whole = store().folder("model");
        assertEquals("weights", text(whole, "model.onnx"));
        assertArrayEquals(new String[] {whole.getName()}, whole.getParentFile().list());
    }

    @Test
    public void aDiscardedCopyIsMadeAgain() throws IOException {
        File copy = store().folder("model");
        Files.write(new File(copy, "model.onnx").toPath(), new byte[] {1});
        store().discard(copy);
        assertEquals("weights", text(store().folder("model"), "model.onnx"));
    }

    @Test
    public void aMissingBundleIsNamed() {
        BundleException error = assertThrows(BundleException.class, () -> store().folder("model-onnx"));
        assertTrue(error.getMessage().contains("assets/model-onnx"));
    }
}

package dev.edgekit.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import java.io.File;
import java.util.Arrays;
import org.junit.Test;

/** Ids and types equal to the tokenizers library's on every line of a corpus, by tokenizer. */
public class CorpusTest {
    @Test
    public void everyLineGivesTheLibrarysIds() {
        File[] folders = Given.folder("edgekit.corpus").listFiles(File::isDirectory);
        assertTrue("no corpus", folders != null && folders.length > 0);
        for (File folder : folders) {
            Contract contract = new Contract(Json.parse(Given.text(new File(folder, "contract.json"))));
            Tokenizer tokenizer =
                    new Tokenizer(contract, Json.parse(Given.text(new File(folder, "vocab.json"))));
            String[] lines = Given.text(new File(folder, "cases.jsonl")).split("\n");
            int equal = 0;
            String first = "";
            for (String line : lines) {
                Node one = Node.of(Json.parse(line), "case");
                Row row = tokenizer.encode(one.text("text"), one.has("pair") ? one.text("pair") : null);
                long[] ids = longs(one.integers("ids"));
                if (Arrays.equals(row.ids(), ids) && Arrays.equals(row.types(), longs(one.integers("types")))) {
                    equal++;
                } else if (first.isEmpty()) {
                    first = line + "\nfound: " + Arrays.toString(row.ids());
                }
            }
            assertEquals(folder.getName() + ": " + first, lines.length, equal);
            // read by the test that started this one
            System.out.println("corpus " + folder.getName() + " " + equal);
        }
    }

    private static long[] longs(int[] values) {
        return Arrays.stream(values).asLongStream().toArray();
    }
}

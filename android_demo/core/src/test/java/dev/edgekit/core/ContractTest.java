package dev.edgekit.core;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.util.List;
import org.junit.Test;

public class ContractTest {
    private static final String PLAIN = "{'schema': 1, 'inputs': [], 'files': [], 'max_length': 8, 'pad_id': 9,"
            + " 'padding_side': 'right', 'post': {'activation': 'softmax', 'labels': ['no', 'yes', 'who']},"
            + " 'buckets': [{'length': 4, 'signature': 'main_4', 'inputs': ['input_ids']},"
            + " {'length': 8, 'signature': 'main_8', 'inputs': ['input_ids']}]}";

    private static Contract read(String text) {
        return new Contract(Json.parse(text.replace('\'', '"')));
    }

    @Test
    public void takesTheSmallestBucketThatHolds() {
        Contract contract = read(PLAIN);
        assertEquals("main_4", contract.bucketFor(1).signature());
        assertEquals("main_4", contract.bucketFor(4).signature());
        assertEquals("main_8", contract.bucketFor(5).signature());
        assertThrows(BundleException.class, () -> contract.bucketFor(9));
    }

    @Test
    public void refusesWhatIsNewerOrIncompleteOrLeadsElsewhere() {
        for (String text : List.of(
                PLAIN.replace("'schema': 1", "'schema': 2"),
                PLAIN.replace("'schema': 1, ", ""),
                PLAIN.replace("'length': 4", "'length': 4.5"),
                PLAIN.replace("'files': []", "'files': [{'path': '../x', 'bytes': 1, 'sha256': ''}]"),
                "[]")) {
            assertThrows(text, BundleException.class, () -> read(text));
        }
    }

    @Test
    public void fillsUpOnItsSide() {
        Row row = new Row(new long[] {5, 6}, new long[] {1, 1}, new long[] {0, 1});
        Row right = row.padTo(4, read(PLAIN));
        assertArrayEquals(new long[] {5, 6, 9, 9}, right.ids());
        assertArrayEquals(new long[] {1, 1, 0, 0}, right.mask());
        Row left = row.padTo(4, read(PLAIN.replace("'right'", "'left'")));
        assertArrayEquals(new long[] {9, 9, 5, 6}, left.ids());
        assertArrayEquals(new long[] {0, 0, 0, 1}, left.types());
        assertThrows(BundleException.class, () -> row.padTo(1, read(PLAIN)));
    }

    @Test
    public void ranksLabels() {
        List<Post.Scored> found = Post.top(new float[] {1, 3, 2}, read(PLAIN), 2);
        assertEquals(2, found.size());
        assertEquals("yes", found.get(0).label());
        assertEquals("who", found.get(1).label());
        assertEquals(0.665240956, found.get(0).score(), 1e-9);
        assertEquals(1, Post.softmax(new float[] {1000, -1000})[0], 0);
        assertEquals(0.5, Post.sigmoid(new float[] {0})[0], 0);
        assertTrue(Double.isNaN(Post.cosine(new float[] {Float.NaN}, new float[] {1})));
    }
}

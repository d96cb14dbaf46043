package dev.edgekit.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.Test;

public class JsonTest {
    @Test
    public void readsWhatIsThere() {
        Object found = Json.parse(" {\"a\": [1, -2.5e3, true, false, null], \"\\u00e9\\n\\\"\": {} , \"b\":[]}\n");
        Map<?, ?> map = (Map<?, ?>) found;
        assertEquals(Arrays.asList(1.0, -2500.0, true, false, null), map.get("a"));
        assertEquals(Map.of(), map.get("é\n\""));
        assertEquals(List.of(), map.get("b"));
        assertEquals("𝄞", Json.parse("\"\\ud834\\udd1e\""));
    }

    @Test
    public void refusesWhatIsNone() {
        String deep = "[".repeat(100) + "]".repeat(100);
        for (String text : List.of("", "{", "[1,]", "[1 2]", "{\"a\" 1}", "{a: 1}", "\"a", "\"\\x\"", "\"\\u12g4\"",
                "\"a\nb\"", "tru", "1 2", "-", "nan", deep)) {
            assertThrows(text, BundleException.class, () -> Json.parse(text));
        }
    }
}

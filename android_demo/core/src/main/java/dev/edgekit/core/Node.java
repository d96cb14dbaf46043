package dev.edgekit.core;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** A JSON object whose fields are checked as they are read. */
final class Node {
    private final Map<?, ?> fields;
    private final String where;

    private Node(Object value, String where) {
        if (!(value instanceof Map)) {
            throw new BundleException(where + " is no object");
        }
        this.fields = (Map<?, ?>) value;
        this.where = where;
    }

    static Node of(Object value, String where) {
        return new Node(value, where);
    }

    boolean has(String key) {
        return fields.get(key) != null;
    }

    Node node(String key) {
        return new Node(fields.get(key), where + "." + key);
    }

    List<Node> nodes(String key) {
        List<Node> found = new ArrayList<>();
        for (Object item : list(key)) {
            found.add(new Node(item, where + "." + key));
        }
        return found;
    }

    String text(String key) {
        return of(key, String.class);
    }

    boolean flag(String key) {
        return of(key, Boolean.class);
    }

    double number(String key) {
        return of(key, Double.class);
    }

    int integer(String key) {
        double value = number(key);
        if (value != Math.rint(value) || Math.abs(value) > Integer.MAX_VALUE) {
            throw new BundleException(where + "." + key + " is no whole number");
        }
        return (int) value;
    }

    List<?> list(String key) {
        return of(key, List.class);
    }

    int[] integers(String key) {
        List<?> values = list(key);
        int[] found = new int[values.size()];
        for (int i = 0; i < found.length; i++) {
            if (!(values.get(i) instanceof Double)) {
                throw new BundleException(where + "." + key + " holds something that is no number");
            }
            found[i] = ((Double) values.get(i)).intValue();
        }
        return found;
    }

    private <T> T of(String key, Class<T> kind) {
        Object value = fields.get(key);
        if (!kind.isInstance(value)) {
            throw new BundleException(where + "." + key + " is missing or no " + kind.getSimpleName());
        }
        return kind.cast(value);
    }
}

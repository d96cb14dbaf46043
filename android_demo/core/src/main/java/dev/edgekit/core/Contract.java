package dev.edgekit.core;

import java.util.ArrayList;
import java.util.List;

/** contract.json, checked: what the app must know of its model (docs/bundle.md). */
public final class Contract {
    /** The newest schema that this reader knows. */
    public static final int SCHEMA = 1;

    /** A length that a TFLite file has a signature for. */
    public static final class Bucket {
        private final int length;
        private final String signature;
        private final List<String> inputs;

        Bucket(Node node) {
            length = node.integer("length");
            signature = node.text("signature");
            inputs = texts(node.list("inputs"));
        }

        /** Tokens. */
        public int length() {
            return length;
        }

        /** Name of the signature. */
        public String signature() {
            return signature;
        }

        /** Names of its inputs in the order that positional APIs take them. */
        public List<String> inputs() {
            return inputs;
        }
    }

    /** A file of the bundle. */
    static final class Listed {
        final String path;
        final long bytes;
        final String sha256;

        Listed(Node node) {
            path = node.text("path");
            bytes = (long) node.number("bytes");
            sha256 = node.text("sha256");
        }
    }

    private final Node root;
    private final List<String> inputs = new ArrayList<>();
    private final List<Bucket> buckets = new ArrayList<>();
    private final List<Listed> files = new ArrayList<>();

    /**
     * Reads the document.
     *
     * @throws BundleException it is newer than this reader, or a field is missing or wrong
     */
    public Contract(Object json) {
        root = Node.of(json, "contract.json");
        if (root.integer("schema") < 1 || root.integer("schema") > SCHEMA) {
            throw new BundleException("contract.json has schema " + root.integer("schema")
                    + ", this app reads " + SCHEMA);
        }
        for (Node input : root.nodes("inputs")) {
            inputs.add(input.text("name"));
        }
        for (Node bucket : root.nodes("buckets")) {
            buckets.add(new Bucket(bucket));
        }
        for (Node file : root.nodes("files")) {
            files.add(new Listed(file));
            String path = file.text("path");
            if (path.isEmpty() || path.startsWith(".") || path.contains("/") || path.contains("\\")) {
                throw new BundleException("'" + path + "' leads out of the bundle");
            }
        }
    }

    /** The source's name. */
    public String name() {
        return root.text("name");
    }

    /** "sentence-embedding", "text-classification", ... */
    public String task() {
        return root.text("task");
    }

    /** Name of the model file in the bundle. */
    public String modelPath() {
        return root.node("model").text("path");
    }

    /** "onnx" or "tflite". */
    public String format() {
        return root.node("model").text("format");
    }

    /** How the weights are stored: "w8c_a8". */
    public String recipe() {
        return root.node("model").text("recipe");
    }

    /** Bytes of the model file. */
    public long modelBytes() {
        return (long) root.node("model").number("bytes");
    }

    /** Names of the inputs, in the order of the graph. */
    public List<String> inputs() {
        return inputs;
    }

    /** Name of the output that an app reads. */
    public String output() {
        return root.nodes("outputs").get(0).text("name");
    }

    /** Values of one row of that output. */
    public int outputSize() {
        List<?> shape = root.nodes("outputs").get(0).list("shape");
        Object last = shape.get(shape.size() - 1);
        if (!(last instanceof Double)) {
            throw new BundleException("contract.json: the output has no fixed size");
        }
        return ((Double) last).intValue();
    }

    /** Tokens at most, special ones included. */
    public int maxLength() {
        return root.integer("max_length");
    }

    /** The id that fills up. */
    public int padId() {
        return root.integer("pad_id");
    }

    /** Whether rows are filled up on the left. */
    public boolean padsLeft() {
        return root.text("padding_side").equals("left");
    }

    /** "softmax", "sigmoid" or "none". */
    public String activation() {
        return root.node("post").text("activation");
    }

    /** Labels by output index; empty where the task has none. */
    public List<String> labels() {
        return texts(root.node("post").list("labels"));
    }

    /** All lengths of a TFLite file, ascending; empty for ONNX, which takes any. */
    public List<Bucket> buckets() {
        return buckets;
    }

    /**
     * The smallest length that holds so many tokens.
     *
     * @throws BundleException none does
     */
    public Bucket bucketFor(int tokens) {
        for (Bucket bucket : buckets) {
            if (bucket.length() >= tokens) {
                return bucket;
            }
        }
        throw new BundleException(tokens + " tokens exceed the largest length of the model file");
    }

    /**
     * How the model writes.
     *
     * @throws BundleException it generates no text
     */
    public Generation generation() {
        if (!root.has("generation")) {
            throw new BundleException("the model generates no text");
        }
        return new Generation(root.node("generation"));
    }

    List<Listed> files() {
        return files;
    }

    Node tokenizer() {
        return root.node("tokenizer");
    }

    Node selfTest() {
        return root.node("self_test");
    }

    private static List<String> texts(List<?> values) {
        List<String> out = new ArrayList<>();
        for (Object value : values) {
            out.add(String.valueOf(value));
        }
        return out;
    }
}

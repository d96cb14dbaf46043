package dev.edgekit.core;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/** A folder written by `edgekit bundle`, every file of it held against its checksum. */
public final class Bundle {
    private final File folder;
    private final Contract contract;
    private final Tokenizer tokenizer;

    private Bundle(File folder, Contract contract, Tokenizer tokenizer) {
        this.folder = folder;
        this.contract = contract;
        this.tokenizer = tokenizer;
    }

    /**
     * Opens and checks a bundle; reads the model file once, in pieces.
     *
     * @throws BundleException a file is missing, is not the one that was bundled, or is too new
     */
    public static Bundle open(File folder) {
        Contract contract = new Contract(Json.parse(text(new File(folder, "contract.json"))));
        for (Contract.Listed listed : contract.files()) {
            File file = new File(folder, listed.path);
            if (file.length() != listed.bytes || !sha256(file).equals(listed.sha256)) {
                throw new BundleException("'" + listed.path + "' is not the file that was bundled");
            }
        }
        String vocabulary = contract.tokenizer().text("file");
        Object json = Json.parse(text(new File(folder, vocabulary)));
        return new Bundle(folder, contract, new Tokenizer(contract, json));
    }

    /** What is known of the model. */
    public Contract contract() {
        return contract;
    }

    /** Text to ids. */
    public Tokenizer tokenizer() {
        return tokenizer;
    }

    /** The model file. */
    public File model() {
        return new File(folder, contract.modelPath());
    }

    /** The self-test, its golden vectors read. */
    public SelfTest selfTest() {
        Node test = contract.selfTest();
        Object golden = Json.parse(text(new File(folder, test.text("file"))));
        return new SelfTest(contract, tokenizer, test, Node.of(golden, test.text("file")));
    }

    private static String text(File file) {
        try {
            return new String(Files.readAllBytes(file.toPath()), StandardCharsets.UTF_8);
        } catch (IOException error) {
            throw new BundleException("'" + file.getName() + "' cannot be read (" + error.getMessage() + ")");
        }
    }

    /** Hex sha256 of a file. */
    static String sha256(File file) {
        try (InputStream in = Files.newInputStream(file.toPath())) {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            byte[] piece = new byte[1 << 16];
            for (int n = in.read(piece); n >= 0; n = in.read(piece)) {
                digest.update(piece, 0, n);
            }
            StringBuilder out = new StringBuilder();
            for (byte b : digest.digest()) {
                out.append(Character.forDigit(b >> 4 & 15, 16)).append(Character.forDigit(b & 15, 16));
            }
            return out.toString();
        } catch (IOException | NoSuchAlgorithmException error) {
            throw new BundleException("'" + file.getName() + "' cannot be read (" + error.getMessage() + ")");
        }
    }
}

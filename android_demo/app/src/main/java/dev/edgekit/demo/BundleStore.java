package dev.edgekit.demo;

import dev.edgekit.core.BundleException;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * Copies of the bundles in assets/, as files: runtimes map a file or open its path.
 *
 * <p>A copy is named by the sha256 of its contract.json, which lists the sha256 of every other file:
 * an update with another bundle is copied anew, the same bundle never twice.
 */
final class BundleStore {
    private static final String PARTIAL = ".partial";

    private final AssetSource assets;
    private final File root;

    /** @param root a folder of the app's own, made when first needed */
    BundleStore(AssetSource assets, File root) {
        this.assets = assets;
        this.root = root;
    }

    /**
     * The copy of a bundle, whole.
     *
     * @param name its folder in assets/
     * @throws BundleException the app holds no such bundle
     * @throws IOException there is no room, or a file cannot be read
     */
    File folder(String name) throws IOException {
        String[] files = assets.list(name);
        if (files.length == 0) {
            throw new BundleException("this app was built without a bundle in assets/" + name
                    + " (android_demo/README.md says how to make one)");
        }
        File parent = new File(root, name);
        File copy = new File(parent, sha256(name + "/contract.json"));
        if (!copy.isDirectory()) {
            // older bundles, and what an interrupted copy left
            delete(parent);
            copy(name, files, copy);
        }
        return copy;
    }

    /** Forgets a copy that turned out to be damaged. */
    void discard(File copy) throws IOException {
        delete(copy);
    }

    /** Under another name first: a folder with the right name is always whole. */
    private void copy(String name, String[] files, File copy) throws IOException {
        File partial = new File(copy.getPath() + PARTIAL);
        if (!partial.mkdirs()) {
            throw new IOException("no folder can be made");
        }
        for (String file : files) {
            try (InputStream in = assets.open(name + "/" + file);
                    FileOutputStream out = new FileOutputStream(new File(partial, file))) {
                pump(in, out);
                // on the disk before the folder gets its name, even if the power goes
                out.getFD().sync();
            }
        }
        if (!partial.renameTo(copy)) {
            throw new IOException("the copy cannot be renamed");
        }
    }

    private String sha256(String path) throws IOException {
        ByteArrayOutputStream content = new ByteArrayOutputStream();
        try (InputStream in = assets.open(path)) {
            pump(in, content);
        }
        try {
            StringBuilder hex = new StringBuilder();
            for (byte b : MessageDigest.getInstance("SHA-256").digest(content.toByteArray())) {
                hex.append(Character.forDigit(b >> 4 & 15, 16)).append(Character.forDigit(b & 15, 16));
            }
            return hex.toString();
        } catch (NoSuchAlgorithmException error) {
            throw new IOException(error);
        }
    }

    /** Android has InputStream.transferTo only since 33. */
    private static void pump(InputStream in, OutputStream out) throws IOException {
        byte[] piece = new byte[1 << 16];
        for (int n = in.read(piece); n >= 0; n = in.read(piece)) {
            out.write(piece, 0, n);
        }
    }

    private static void delete(File file) throws IOException {
        File[] inside = file.listFiles();
        if (inside != null) {
            for (File one : inside) {
                delete(one);
            }
        }
        if (file.exists() && !file.delete()) {
            throw new IOException("'" + file.getName() + "' cannot be deleted");
        }
    }
}

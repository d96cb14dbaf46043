package dev.edgekit.demo;

import dev.edgekit.core.Bundle;
import dev.edgekit.core.BundleException;
import dev.edgekit.core.Runner;

/** A runtime, and the folder of assets with the bundle for it. */
enum Target {
    LITERT("model-tflite", "tflite", R.string.target_litert, R.id.litert) {
        @Override
        Runner load(Bundle bundle, int threads) {
            return new LiteRtRunner(bundle.model(), bundle.contract(), threads);
        }
    },
    ONNX("model-onnx", "onnx", R.string.target_onnx, R.id.onnx) {
        @Override
        Runner load(Bundle bundle, int threads) {
            return new OnnxRunner(bundle.model(), bundle.contract(), threads);
        }
    };

    /** Name of its folder in assets/. */
    final String assets;
    /** String resource of the runtime's name. */
    final int name;
    /** Id of its button. */
    final int button;
    private final String format;

    Target(String assets, String format, int name, int button) {
        this.assets = assets;
        this.format = format;
        this.name = name;
        this.button = button;
    }

    /**
     * Loads a bundle's model.
     *
     * @throws BundleException the bundle is one for the other runtime
     */
    Runner runner(Bundle bundle, int threads) {
        if (!bundle.contract().format().equals(format)) {
            throw new BundleException("the bundle in assets/" + assets + " holds a model of format '"
                    + bundle.contract().format() + "'");
        }
        return load(bundle, threads);
    }

    abstract Runner load(Bundle bundle, int threads);

    static Target ofButton(int id) {
        return id == ONNX.button ? ONNX : LITERT;
    }
}
